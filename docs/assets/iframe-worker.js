// A page opened from the disk may not start a worker: a hidden frame runs the search in its place.
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(address) {
      super()
      const base = new URL(address, document.baseURI)
      const frame = document.createElement("iframe")
      frame.hidden = true
      this.ready = new Promise(loaded => {
        document.body.append(frame)
        const inside = frame.contentWindow
        const run = source => new Promise((done, failed) => {
          const script = inside.document.createElement("script")
          script.src = new URL(source, base)
          script.onload = done
          script.onerror = failed
          inside.document.body.append(script)
        })
        inside.postMessage = data => this.dispatchEvent(new MessageEvent("message", { data }))
        inside.importScripts = (...sources) => sources.reduce((before, source) => before.then(() => run(source)), Promise.resolve())
        run(base).then(() => loaded(inside))
      })
    }

    postMessage(data) {
      this.ready.then(inside => inside.dispatchEvent(new inside.MessageEvent("message", { data })))
    }

    terminate() {}
  }
}
