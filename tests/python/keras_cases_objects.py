"""Calls of everything in Keras's small namespaces: `make` is the class or function, the rest keras_data.py's arrays."""


def _cases(call, names):
    return dict.fromkeys(names.split(), call)


LOSSES = {
    **_cases("make()(x, y)", "Huber LogCosh MeanAbsoluteError MeanAbsolutePercentageError MeanSquaredError CosineSimilarity"),
    **_cases("make()(signs, x)", "Hinge SquaredHinge"),
    **_cases("make()(binary, p)", "BinaryCrossentropy BinaryFocalCrossentropy Dice Tversky MeanSquaredLogarithmicError Poisson"),
    **_cases(
        "make()(onehot, probs)",
        "CategoricalCrossentropy CategoricalFocalCrossentropy CategoricalHinge KLDivergence",
    ),
    "CategoricalGeneralizedCrossEntropy": "make()(labels, probs)",
    "SparseCategoricalCrossentropy": "make()(labels, probs)",
    "Circle": "make()(labels, x)",
    "CTC": "make()(targets, logits)",
    **_cases("make(x, y)", "huber log_cosh mean_absolute_error mean_absolute_percentage_error mean_squared_error cosine_similarity"),
    **_cases("make(signs, x)", "hinge squared_hinge"),
    **_cases("make(binary, p)", "binary_crossentropy binary_focal_crossentropy dice tversky mean_squared_logarithmic_error poisson"),
    **_cases("make(onehot, probs)", "categorical_crossentropy categorical_focal_crossentropy categorical_hinge kl_divergence"),
    "categorical_generalized_cross_entropy": "make(labels, probs, 0.5)",
    "sparse_categorical_crossentropy": "make(labels, probs)",
    "circle": "make(labels, x)",
    "ctc": "make(targets, logits)",
}
# A metric is updated twice and read; functions of keras.metrics that are not keras.losses' follow.
METRICS = {
    **_cases(
        "twice(make(), x, y)",
        """Accuracy LogCoshError MeanAbsoluteError MeanAbsolutePercentageError MeanSquaredError RootMeanSquaredError CosineSimilarity R2Score
        ConcordanceCorrelation PearsonCorrelation""",
    ),
    **_cases("twice(make(), signs, x)", "Hinge SquaredHinge"),
    **_cases(
        "twice(make(), binary, p)",
        """AUC BinaryAccuracy BinaryCrossentropy FalseNegatives FalsePositives TrueNegatives TruePositives Precision Recall
        MeanSquaredLogarithmicError Poisson F1Score FBetaScore""",
    ),
    **_cases("twice(make(0.5), binary, p)", "PrecisionAtRecall RecallAtPrecision SensitivityAtSpecificity SpecificityAtSensitivity"),
    **_cases("twice(make(), onehot, probs)", "CategoricalAccuracy CategoricalCrossentropy CategoricalHinge KLDivergence"),
    "TopKCategoricalAccuracy": "twice(make(2), onehot, probs)",
    "SparseTopKCategoricalAccuracy": "twice(make(2), labels, probs)",
    "SparseCategoricalAccuracy": "twice(make(), labels, probs)",
    "SparseCategoricalCrossentropy": "twice(make(), labels, probs)",
    "BinaryIoU": "twice(make(), binary, p)",
    "IoU": "twice(make(num_classes=4, target_class_ids=[0, 1]), labels, ids)",
    "MeanIoU": "twice(make(num_classes=4), labels, ids)",
    "OneHotIoU": "twice(make(num_classes=4, target_class_ids=[0, 1]), onehot, probs)",
    "OneHotMeanIoU": "twice(make(num_classes=4), onehot, probs)",
    "Mean": "twice(make(), x)",
    "Sum": "twice(make(), x)",
    "MeanMetricWrapper": "twice(make(keras.losses.mean_squared_error), x, y)",
    "binary_accuracy": "make(binary, p)",
    "categorical_accuracy": "make(onehot, probs)",
    "sparse_categorical_accuracy": "make(labels, probs)",
    "sparse_top_k_categorical_accuracy": "make(labels, probs, 2)",
    "top_k_categorical_accuracy": "make(onehot, probs, 2)",
    "concordance_correlation": "make(x, y)",
    "pearson_correlation": "make(x, y)",
}
OPTIMIZERS = {
    **_cases("steps(make())", "Adadelta Adafactor Adagrad Adam AdamW Adamax Ftrl Lamb Lion Muon Nadam RMSprop SGD ScheduleFreeAdamW"),
    "LossScaleOptimizer": "steps(make(keras.optimizers.SGD(0.1)))",
}
SCHEDULES = {
    "CosineDecay": "make(0.1, 10)(ids)",
    "CosineDecayRestarts": "make(0.1, 10)(ids)",
    "ExponentialDecay": "make(0.1, 10, 0.9)(ids)",
    "InverseTimeDecay": "make(0.1, 10, 0.9)(ids)",
    "PiecewiseConstantDecay": "make([2, 5], [0.1, 0.01, 0.001])(ids[0])",
    "PolynomialDecay": "make(0.1, 10)(ids)",
}
ACTIVATIONS = {
    **_cases(
        "make(x)",
        """celu elu exponential gelu glu hard_shrink hard_sigmoid hard_silu hard_tanh leaky_relu linear log_sigmoid log_softmax mish relu relu6
        selu sigmoid silu soft_shrink softmax softplus softsign sparse_plus sparse_sigmoid sparsemax squareplus tanh tanh_shrink""",
    ),
    "threshold": "make(x, 0.1, -2.0)",
}
REGULARIZERS = _cases("make()(x)", "L1 L1L2 L2 OrthogonalRegularizer")
CONSTRAINTS = _cases("make()(x)", "MaxNorm MinMaxNorm NonNeg UnitNorm")
INITIALIZERS = {
    **_cases(
        "make()((4, 4))",
        """Constant GlorotNormal GlorotUniform HeNormal HeUniform IdentityInitializer Identity LecunNormal LecunUniform Ones OrthogonalInitializer
        Orthogonal RandomNormal RandomUniform TruncatedNormal VarianceScaling Zeros""",
    ),
    "STFT": "make()((8, 1, 5))",
}
RANDOM = {
    "SeedGenerator": "make(3).next()",
    "beta": "make((3, 4), 2.0, 3.0, seed=5)",
    "binomial": "make((3, 4), 6.0, 0.4, seed=5)",
    "categorical": "make(x, 3, seed=5)",
    "dropout": "make(x, 0.4, seed=5)",
    "gamma": "make((3, 4), 2.0, seed=5)",
    "normal": "make((3, 4), seed=5)",
    "randint": "make((3, 4), 0, 9, seed=5)",
    "shuffle": "make(x, seed=5)",
    "truncated_normal": "make((3, 4), seed=5)",
    "uniform": "make((3, 4), seed=5)",
}
TABLES = {
    "losses": LOSSES, "metrics": METRICS, "optimizers": OPTIMIZERS, "schedules": SCHEDULES, "activations": ACTIVATIONS, "regularizers": REGULARIZERS,
    "constraints": CONSTRAINTS, "initializers": INITIALIZERS, "random": RANDOM,
}  # fmt: skip
# Computes nothing by itself, with the reason.
NOT_CALLED = {
    "losses": {"Loss": "a base class"},
    "metrics": {"Metric": "a base class"},
    "optimizers": {
        "Optimizer": "a base class", "OptimizerMap": "shares variables among optimizers that are in the table",
        "MultiOptimizer": "shares variables among optimizers that are in the table", "legacy.Adagrad": "refuses to be made", "legacy.Adam": "refuses to be made",
    },
    "schedules": {"LearningRateSchedule": "a base class"},
    "regularizers": {"Regularizer": "a base class"},
    "constraints": {"Constraint": "a base class"},
    "initializers": {"Initializer": "a base class"},
}  # fmt: skip
# Constructors that make variables or numbers from Keras's state, which a function must not.
ONLY_EAGER = {"metrics", "optimizers", "initializers", "random.SeedGenerator"}
