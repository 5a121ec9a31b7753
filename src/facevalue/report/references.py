"""What the methods paragraphs cite."""

BOOTSTRAP = "Efron, B., & Tibshirani, R. J. (1993). An Introduction to the Bootstrap. Chapman & Hall."
ACCURACY = (
    "Huang, G. B., Ramesh, M., Berg, T., & Learned-Miller, E. (2007). Labeled Faces in the Wild: A database for studying "
    "face recognition in unconstrained environments (Technical Report 07-49). University of Massachusetts, Amherst."
)
BIOMETRIC_ERRORS = (
    "ISO/IEC (2021). 19795-1:2021. Information technology: Biometric performance testing and reporting, Part 1: Principles "
    "and framework."
)
PEOPLE_BOOTSTRAP = (
    "Davezies, L., D'Haultfœuille, X., & Guyonvarch, Y. (2021). Empirical process results for exchangeable arrays. The "
    "Annals of Statistics, 49(2), 845-862."
)
LIKELIHOOD_COST = (
    "Brümmer, N., & du Preez, J. (2006). Application-independent evaluation of speaker detection. Computer Speech & "
    "Language, 20(2-3), 230-275."
)
RULE_OF_30 = (
    "Doddington, G. R., Przybocki, M. A., Martin, A. F., & Reynolds, D. A. (2000). The NIST speaker recognition evaluation: "
    "Overview, methodology, systems, results, perspective. Speech Communication, 31(2-3), 225-254."
)
WILSON = (
    "Wilson, E. B. (1927). Probable inference, the law of succession, and statistical inference. Journal of the American "
    "Statistical Association, 22(158), 209-212."
)
CORRUPTIONS = (
    "Hendrycks, D., & Dietterich, T. (2019). Benchmarking neural network robustness to common corruptions and perturbations. "
    "International Conference on Learning Representations."
)
CONFORMAL = (
    "Lei, J., G'Sell, M., Rinaldo, A., Tibshirani, R. J., & Wasserman, L. (2018). Distribution-free predictive inference for "
    "regression. Journal of the American Statistical Association, 113(523), 1094-1111."
)
CONFORMAL_SHIFT = (
    "Barber, R. F., Candès, E. J., Ramdas, A., & Tibshirani, R. J. (2023). Conformal prediction beyond exchangeability. The "
    "Annals of Statistics, 51(2), 816-845."
)
PERCEPTION = (
    "Andrews, J. T. A., Joniak, P., & Xiang, A. (2023). A View From Somewhere: Human-centric face representations. "
    "International Conference on Learning Representations."
)
CROSSED = (
    "Cameron, A. C., Gelbach, J. B., & Miller, D. L. (2011). Robust inference with multiway clustering. Journal of Business "
    "& Economic Statistics, 29(2), 238-249."
)
CALIBRATION = (
    "Guo, C., Pleiss, G., Sun, Y., & Weinberger, K. Q. (2017). On calibration of modern neural networks. International "
    "Conference on Machine Learning."
)
NOISE_CEILING = (
    "Nili, H., Wingfield, C., Walther, A., Su, L., Marslen-Wilson, W., & Kriegeskorte, N. (2014). A toolbox for "
    "representational similarity analysis. PLOS Computational Biology, 10(4), e1003553."
)
RANK_CORRELATION = (
    "Croux, C., & Dehon, C. (2010). Influence functions of the Spearman and Kendall correlation measures. Statistical "
    "Methods & Applications, 19(4), 497-515."
)
AREA_UNDER_CURVE = (
    "DeLong, E. R., DeLong, D. M., & Clarke-Pearson, D. L. (1988). Comparing the areas under two or more correlated receiver "
    "operating characteristic curves. Biometrics, 44(3), 837-845."
)
FALSE_DISCOVERY = (
    "Benjamini, Y., & Hochberg, Y. (1995). Controlling the false discovery rate: a practical and powerful approach to "
    "multiple testing. Journal of the Royal Statistical Society B, 57(1), 289-300."
)
MEAN_DIFFERENCE = (
    "Bonett, D. G. (2008). Confidence intervals for standardized linear contrasts of means. Psychological Methods, 13(2), "
    "99-109."
)
PERMUTATION_P = (
    "Phipson, B., & Smyth, G. K. (2010). Permutation p-values should never be zero: calculating exact p-values when "
    "permutations are randomly drawn. Statistical Applications in Genetics and Molecular Biology, 9(1), 39."
)
QUALITY_STANDARD = "ISO/IEC (2025). 29794-5:2025. Information technology: Biometric sample quality, Part 5: Face image data."
DISCARD = (
    "Grother, P., & Tabassi, E. (2007). Performance of biometric quality measures. IEEE Transactions on Pattern Analysis and "
    "Machine Intelligence, 29(4), 531-543."
)
DISCARD_CURVES = (
    "Schlett, T., Rathgeb, C., Tapia, J., & Busch, C. (2023). Considerations on the evaluation of biometric quality "
    "assessment algorithms. arXiv:2303.13294."
)
RISK_COVERAGE = (
    "Geifman, Y., Uziel, G., & El-Yaniv, R. (2019). Bias-reduced uncertainty estimation for deep neural classifiers. "
    "International Conference on Learning Representations."
)
GROUP_ERRORS = (
    "Grother, P. (2022). Face recognition vendor test (FRVT) part 8: Summarizing demographic differentials (NIST IR 8429). "
    "National Institute of Standards and Technology."
)
DISCREPANCY = (
    "Pereira, T. de F., & Marcel, S. (2022). Fairness in biometrics: A figure of merit to assess biometric verification "
    "systems. IEEE Transactions on Biometrics, Behavior, and Identity Science, 4(1), 19-29."
)
GARBE = (
    "Howard, J. J., Laird, E. J., Sirotin, Y. B., Rubin, R. E., Tipton, J. L., & Vemury, A. R. (2022). Evaluating proposed "
    "fairness models for face recognition algorithms. arXiv:2203.05051."
)
OVERLAP_WEIGHTS = (
    "Li, F., Morgan, K. L., & Zaslavsky, A. M. (2018). Balancing covariates via propensity score weighting. Journal of the "
    "American Statistical Association, 113(521), 390-400."
)
ROBUST_PERMUTATION = (
    "Chung, E., & Romano, J. P. (2013). Exact and asymptotically robust permutation tests. The Annals of Statistics, 41(2), "
    "484-507."
)
SIMULTANEOUS = (
    "Romano, J. P., & Wolf, M. (2005). Exact and approximate stepdown methods for multiple hypothesis testing. Journal of "
    "the American Statistical Association, 100(469), 94-108."
)
PROBES = "Alain, G., & Bengio, Y. (2016). Understanding intermediate layers using linear classifier probes. arXiv:1610.01644."
CONTROL_TARGETS = (
    "Hewitt, J., & Liang, P. (2019). Designing and interpreting probes with control tasks. Proceedings of EMNLP-IJCNLP 2019, "
    "2733-2743."
)
ONLINE_CODE = (
    "Voita, E., & Titov, I. (2020). Information-theoretic probing with minimum description length. Proceedings of EMNLP "
    "2020, 183-196."
)
JACKKNIFE = "Kott, P. S. (2001). The delete-a-group jackknife. Journal of Official Statistics, 17(4), 521-526."
PERSON_JACKKNIFE = (
    "MacKinnon, J. G., Nielsen, M. Ø., & Webb, M. D. (2023). Fast and reliable jackknife and bootstrap methods for "
    "cluster-robust inference. Journal of Applied Econometrics, 38(5), 671-694."
)
CORRECTED_T = "Nadeau, C., & Bengio, Y. (2003). Inference for the generalization error. Machine Learning, 52(3), 239-281."
RESIDUALS = "Robinson, P. M. (1988). Root-n-consistent semiparametric regression. Econometrica, 56(4), 931-954."
PIGEONHOLE = "Owen, A. B. (2007). The pigeonhole bootstrap. Annals of Applied Statistics, 1(2), 386-411."
CLUSTERS = "Davison, A. C., & Hinkley, D. V. (1997). Bootstrap Methods and their Application. Cambridge University Press."
SEMI_PARTIALLING = (
    "Dekker, D., Krackhardt, D., & Snijders, T. A. B. (2007). Sensitivity of MRQAP tests to collinearity and autocorrelation "
    "conditions. Psychometrika, 72(4), 563-581."
)
PERMUTED_OUTCOME = (
    "Krackhardt, D. (1988). Predicting with networks: nonparametric multiple regression analysis of dyadic data. Social "
    "Networks, 10(4), 359-381."
)
DYADIC_ERRORS = (
    "Aronow, P. M., Samii, C., & Assenova, V. A. (2015). Cluster-robust variance estimation for dyadic data. Political "
    "Analysis, 23(4), 564-577."
)
MEASUREMENT_ERROR = (
    "Carroll, R. J., Ruppert, D., Stefanski, L. A., & Crainiceanu, C. M. (2006). Measurement Error in Nonlinear Models: A "
    "Modern Perspective (2nd ed.). Chapman & Hall/CRC."
)
SIMEX = (
    "Cook, J. R., & Stefanski, L. A. (1994). Simulation-extrapolation estimation in parametric measurement error models. "
    "Journal of the American Statistical Association, 89(428), 1314-1328."
)
BALANCE = (
    "Cartwright, D., & Harary, F. (1956). Structural balance: a generalization of Heider's theory. Psychological Review, "
    "63(5), 277-293."
)
SIGNS_DRAWN = (
    "Leskovec, J., Huttenlocher, D., & Kleinberg, J. (2010). Signed networks in social media. Proceedings of CHI 2010, "
    "1361-1370."
)
NAIVE_ATTACK = (
    "Newton, E. M., Sweeney, L., & Malin, B. (2005). Preserving privacy by de-identifying face images. IEEE Transactions on "
    "Knowledge and Data Engineering, 17(2), 232-243."
)
TRAINED_ATTACK = (
    "McPherson, R., Shokri, R., & Shmatikov, V. (2016). Defeating image obfuscation with deep learning. arXiv:1609.00408."
)
DOMINANCE = (
    "Deb, K., Pratap, A., Agarwal, S., & Meyarivan, T. (2002). A fast and elitist multiobjective genetic algorithm: NSGA-II. "
    "IEEE Transactions on Evolutionary Computation, 6(2), 182-197."
)
HIDDEN_FACES = (
    "Singh, A., Fan, S., & Kankanhalli, M. (2021). Human attributes prediction under privacy-preserving conditions. "
    "Proceedings of the 29th ACM International Conference on Multimedia. https://doi.org/10.1145/3474085.3475687"
)
MACRO_F1 = (
    "Sokolova, M., & Lapalme, G. (2009). A systematic analysis of performance measures for classification tasks. Information "
    "Processing & Management, 45(4), 427-437."
)
SHAPES = "Dryden, I. L., & Mardia, K. V. (2016). Statistical Shape Analysis, with Applications in R (2nd ed.). Wiley."
OBJECT_SYMMETRY = (
    "Klingenberg, C. P., Barluenga, M., & Meyer, A. (2002). Shape analysis of symmetric structures: quantifying variation "
    "among individuals and asymmetry. Evolution, 56(10), 1909-1920."
)
FACEFUNS = "Holzleitner, I. J., & DeBruine, L. M. (2021). facefuns: analysis of face shapes [R package]."
BROKEN_STICK = (
    "Frontier, S. (1976). Étude de la décroissance des valeurs propres dans une analyse en composantes principales: "
    "comparaison avec le modèle du bâton brisé. Journal of Experimental Marine Biology and Ecology, 25(1), 67-75."
)
INTRACLASS = (
    "McGraw, K. O., & Wong, S. P. (1996). Forming inferences about some intraclass correlation coefficients. Psychological "
    "Methods, 1(1), 30-46."
)
CONFORMAL_SETS = (
    "Romano, Y., Sesia, M., & Candès, E. J. (2020). Classification with valid and adaptive coverage. Advances in Neural "
    "Information Processing Systems, 33."
)
CONDITIONAL_SETS = (
    "Vovk, V. (2012). Conditional validity of inductive conformal predictors. Proceedings of Machine Learning Research, 25, "
    "475-490."
)
