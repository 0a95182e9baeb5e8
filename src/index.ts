/** The public library: everything that runs both in Node and in a browser. Files, downloads and processes are in `separable/node`. */

export {
  type BackendName,
  type BackendOptions,
  type BackendRequest,
  backendNames,
  disposeBackend,
  initBackend,
  kernels,
  memory,
  useBackend,
} from "./backend/active.ts";
export type {
  AutoReport,
  BackendChoice,
  BackendChooser,
  BackendMaker,
  CalibrationFigure,
  Candidate,
  Chosen,
  PassedOver,
} from "./backend/backend-maker.ts";
export type * from "./backend/kernels.ts";
export { createReferenceBackend } from "./backend/reference/reference-kernels.ts";
export { approximateConvolution, type CompressedConvolution, compressConvolution } from "./compress/approximate-convolution.ts";
export { type CompressedLayer, type Compression, type CompressOptions, type ConvolutionNetwork, compress } from "./compress/compress.ts";
export type { LayerCandidate } from "./compress/layer-curve.ts";
export {
  type CompressionGoal,
  type CompressionPlan,
  type PlannedLayer,
  type PlanOptions,
  planCompression,
  shareParameters,
} from "./compress/plan.ts";
export type { Context } from "./core/context.ts";
export {
  type ConvolutionGeometry,
  type ConvolutionOptions,
  convolutionMultiplyAdds,
  type Padding,
  type Pair,
  type Sides,
} from "./core/convolution-geometry.ts";
export { cosineMatrix, cosineTransformMultiplyAdds } from "./core/cosine-transform.ts";
export * from "./core/errors.ts";
export { Random, type RandomState } from "./core/random.ts";
export type { Shape } from "./core/shape.ts";
export type { TransposedConvolutionOptions } from "./core/transposed-geometry.ts";
export { countNetwork, countParameters, type LayerCount, type NetworkCount } from "./count/count-network.ts";
export { type Summary, type SummaryOptions, type SummaryRow, summary } from "./count/summary.ts";
export { alternatingFlips } from "./data/alternating-flips.ts";
export { type ArrayDatasetOptions, arrayDataset, type LabelledImages } from "./data/array-dataset.ts";
export { type Augmentation, cifarAugmentation, imageNetAugmentation } from "./data/augment.ts";
export { type Batch, type EpochOptions, epochBatches, type TaughtOutput } from "./data/batches.ts";
export { type CifarFormat, type CifarName, cifarFormats } from "./data/cifar-format.ts";
export {
  type ByteDataset,
  type ByteSplit,
  type Dataset,
  type DatasetFacts,
  type ImageDataset,
  type ImageSplit,
  isStreamed,
  type Labels,
  type SplitName,
  type StreamedDataset,
  type StreamedSplit,
} from "./data/dataset.ts";
export { type MixedLabels, mixUp } from "./data/mixup.ts";
export { type SyntheticOptions, syntheticImages } from "./data/synthetic.ts";
export { type CheckOptions, type CheckReport, checkGradients, checkSecondDerivatives } from "./grad/check-gradients.ts";
export type { DerivativeOptions, FunctionOf, Inputs, PerInput } from "./grad/derivative.ts";
export { type GradientOptions, gradients } from "./grad/gradients.ts";
export { hessian, hvp } from "./grad/hessian.ts";
export { type JacobianOptions, jacobian } from "./grad/jacobian.ts";
export { jvp } from "./grad/jvp.ts";
export { vjp } from "./grad/vjp.ts";
export { decodeNpy, encodeNpy } from "./interchange/npy.ts";
export { type DecodeNpzOptions, decodeNpz, encodeNpz, type NpzOptions } from "./interchange/npz.ts";
export { exportOnnx, type OnnxOptions } from "./interchange/onnx/export-onnx.ts";
export { type Acdc, type AcdcDiagonals, type AcdcForm, acdcToDense, nearestAcdc } from "./linalg/acdc.ts";
export { type Blast, type BlastFactors, type BlastOptions, blastToDense, nearestBlast } from "./linalg/blast.ts";
export { type Butterfly, butterflyToDense, nearestButterfly } from "./linalg/butterfly.ts";
export {
  type CanonicalPolyadic,
  type CanonicalPolyadicOptions,
  canonicalPolyadic,
  canonicalPolyadicToDense,
  khatriRao,
} from "./linalg/canonical-polyadic.ts";
export { cholesky } from "./linalg/cholesky.ts";
export { type Eigh, eigh } from "./linalg/eigh.ts";
export { type KroneckerShape, type KroneckerSum, nearestKronecker } from "./linalg/kronecker.ts";
export { type LowRank, lowRank, lowRankProduct } from "./linalg/low-rank.ts";
export {
  frobenius,
  type Matrix,
  matrix,
  product as matrixProduct,
  relativeDistance,
  transposed as matrixTranspose,
} from "./linalg/matrix.ts";
export { type MinimiseOptions, type Minimum, minimise, type ValueAndGradient } from "./linalg/minimise.ts";
export { type Monarch, type MonarchShape, monarchToDense, nearestMonarch } from "./linalg/monarch.ts";
export { type Qr, qr } from "./linalg/qr.ts";
export { nearestShuffle, type ShuffleFactors } from "./linalg/shuffle.ts";
export { solve } from "./linalg/solve.ts";
export { type Svd, svd } from "./linalg/svd.ts";
export { fold, modeProduct, type TensorArray, tensorArray, unfold } from "./linalg/tensor-array.ts";
export { type TensorTrain, tensorTrain, tensorTrainToDense } from "./linalg/tensor-train.ts";
export { nearestTiedLowRank, type TiedLowRank, tiedLowRankToDense } from "./linalg/tied-low-rank.ts";
export { type Tucker, type TuckerOptions, tucker, tuckerToDense } from "./linalg/tucker.ts";
export { attentionMap } from "./models/attention.ts";
export { Darts, type DartsOptions } from "./models/darts.ts";
export { FastNet, type FastNetOptions } from "./models/fast-net.ts";
export { ImageClassifier } from "./models/image-classifier.ts";
export { MobileNetV2, type MobileNetV2Options } from "./models/mobile-net-v2.ts";
export type { NetworkOutput } from "./models/network-output.ts";
export { ResNet, type ResNetOptions } from "./models/res-net.ts";
export { type WhitenedNetwork, type WhiteningOptions, whiteningFilters } from "./models/whitening.ts";
export { WideResNet, type WideResNetOptions } from "./models/wide-resnet.ts";
export * from "./nn/batch-norm2d.ts";
export { Block } from "./nn/block.ts";
export type { ChannelAffine } from "./nn/channel-affine.ts";
export { checkRegistered } from "./nn/check-registered.ts";
export * from "./nn/combinators.ts";
export { ConvTranspose2d, type ConvTranspose2dOptions } from "./nn/conv-transpose2d.ts";
export { Conv2d, type Conv2dOptions, type ConvolutionWeights, foldedConvolution } from "./nn/conv2d.ts";
export type { Described, Description } from "./nn/describe.ts";
export { type Anomaly, AnomalyError, type DetectAnomalyOptions, detectAnomaly } from "./nn/detect-anomaly.ts";
export * from "./nn/distillation.ts";
export { ActivationLayer, type EpilogueLayer } from "./nn/epilogue.ts";
export { FoldedNetwork, foldBatchNorm, folded } from "./nn/fold-batch-norm.ts";
export type { FoldableLayer } from "./nn/foldable-layer.ts";
export { freeze, unfreeze } from "./nn/freeze.ts";
export { functionalCall } from "./nn/functional-call.ts";
export * from "./nn/init.ts";
export * from "./nn/layers.ts";
export * from "./nn/linear.ts";
export { type LoadOptions, type LoadReport, overwriteState, StateError, type StateValues } from "./nn/load-state.ts";
export * from "./nn/losses.ts";
export { type Matrices, type MatrixView, matricesOf } from "./nn/matrix-view.ts";
export * from "./nn/module.ts";
export { Buffer, Counter, type Decay, type ModuleState, Parameter, type Role, type State } from "./nn/state.ts";
export { cumsum, prod } from "./ops/accumulate.ts";
export { type BatchNormResult, batchNorm, batchNormComposed, batchNormInference } from "./ops/batch-norm.ts";
export { channelAffine } from "./ops/channel-affine.ts";
export { contractChannels, type Stage } from "./ops/contract-channels.ts";
export { conv2d, convTranspose2d } from "./ops/convolution.ts";
export { type CosineTransformOptions, cosineTransform } from "./ops/cosine-transform.ts";
export * from "./ops/creation.ts";
export { dropout, dropPath } from "./ops/dropout.ts";
export { einsum, einsumMultiplyAdds } from "./ops/einsum.ts";
export * from "./ops/elementwise.ts";
export type { Epilogue } from "./ops/epilogue.ts";
export { gather, scatterAdd } from "./ops/indexing.ts";
export { concat, diagonal, flip, pad, permute, type Range, slice, stack, tile, transpose } from "./ops/layout.ts";
export { type MatmulOptions, matmul } from "./ops/matmul.ts";
export { normSeparableConv2d, type PrecedingNorm } from "./ops/norm-separable-convolution.ts";
export type { Operand } from "./ops/output.ts";
export { type AveragePoolingOptions, avgPool2d, globalAvgPool2d, globalMaxPool2d, maxPool2d, type PoolingOptions } from "./ops/pooling.ts";
export type { ReduceOptions } from "./ops/reduce-axes.ts";
export { argmax, logSumExp, max, mean, min, variance } from "./ops/reductions.ts";
export { reshape } from "./ops/reshape.ts";
export { separableConv2d } from "./ops/separable-convolution.ts";
export { logSoftmax, softmax } from "./ops/softmax.ts";
export { type Sorted, type SortOptions, sort, type TopkOptions, topk } from "./ops/sorting.ts";
export { broadcastTo, sum } from "./ops/sum-and-broadcast.ts";
export { AcdcLinear, type AcdcOptions, type AcdcShape } from "./structured/acdc.ts";
export { BlastLinear, type BlastShape } from "./structured/blast.ts";
export {
  type BlockTensorTrainFromDense,
  BlockTensorTrainLinear,
  type BlockTensorTrainOptions,
  type BlockTensorTrainShape,
} from "./structured/block-tensor-train.ts";
export { ButterflyLinear } from "./structured/butterfly.ts";
export { type CanonicalPolyadicFromDense, CanonicalPolyadicLinear, type CanonicalPolyadicShape } from "./structured/canonical-polyadic.ts";
export { checkStructuredLinear, type StructuredCheckOptions } from "./structured/check-structured-linear.ts";
export type { ConvolutionFactory, ConvolutionSite } from "./structured/convolution-factory.ts";
export {
  checkConvolution,
  convolutionForms,
  convolutionKinds,
  convolutionName,
  familyNamed,
  formatConvolution,
  type NamedFamily,
  parseConvolution,
  provideFamilies,
  textForm,
} from "./structured/convolution-text.ts";
export { convolutionFactory, createLinear, Sep } from "./structured/create-convolution.ts";
export { Conv, DenseConvolution } from "./structured/dense.ts";
export { DenseLinear } from "./structured/dense-linear.ts";
export { factor, variancePreserving } from "./structured/factor.ts";
export { families } from "./structured/families.ts";
export {
  type BudgetSearch,
  defineFamily,
  type FamilyOptions,
  type FamilySpec,
  type HyperParameter,
  positive,
  type SpecOfFamily,
  type StructuredFamily,
  searchGroups,
  searchRank,
  searchScale,
  whole,
} from "./structured/family.ts";
export type { FromDenseOptions } from "./structured/from-dense.ts";
export { HashedLinear, type HashedOptions, type HashedShape, HashedWeight } from "./structured/hashed.ts";
export { HashedConvolution } from "./structured/hashed-convolution.ts";
export { type SeparableKernel, splitKernel } from "./structured/kernel-split.ts";
export { type KroneckerFromDense, KroneckerLinear, type KroneckerSumShape } from "./structured/kronecker.ts";
export { layersOf } from "./structured/layer-specs.ts";
export { LowRankLinear, type LowRankShape, TiedLowRankLinear } from "./structured/low-rank.ts";
export {
  MatrixTensorTrainLinear,
  type MatrixTrainFromDense,
  type MatrixTrainModes,
  type MatrixTrainShape,
} from "./structured/matrix-tensor-train.ts";
export { mixChannels, transposeChannels } from "./structured/mix-channels.ts";
export { type MonarchBlocks, MonarchLinear } from "./structured/monarch.ts";
export { type DepthwiseWindow, SeparableConvolution, type SeparableOptions } from "./structured/separable.ts";
export { ShuffleConvolution, ShuffleLinear, type ShuffleLinearOptions, type ShuffleShape } from "./structured/shuffle-linear.ts";
export { checkSizes } from "./structured/sizes.ts";
export { type BuiltInSpec, type ConvolutionKind, type ConvolutionSpec, type OwnSpec, ownSpec, type SpecOf } from "./structured/spec.ts";
export { type ApproximationError, StructuredConvolution } from "./structured/structured-convolution.ts";
export * from "./structured/structured-linear.ts";
export { type TensorTrainFromDense, TensorTrainLinear, type TensorTrainShape } from "./structured/tensor-train.ts";
export { type Triple, threeWayDims } from "./structured/three-way.ts";
export { type TuckerFromDense, TuckerLinear, type TuckerShape } from "./structured/tucker.ts";
export { WindowSum, windowsOf } from "./structured/window-sum.ts";
export { detach, differentiable, isRecording, noGrad, type Rule } from "./tape/tape.ts";
export type { NestedNumbers } from "./tensor/format-tensor.ts";
export type { NumericArray } from "./tensor/number-formats.ts";
export { keep, scope } from "./tensor/scope.ts";
export type { DType, Storage, TypedArray } from "./tensor/storage.ts";
export { type Origin, Tensor, type Vjp } from "./tensor/tensor.ts";
export { Adam, type AdamOptions } from "./train/adam.ts";
export { AveragedOptimizer } from "./train/averaged-optimizer.ts";
export {
  type Checkpoint,
  decodeCheckpoint,
  encodeCheckpoint,
  foreignCheckpoint,
  restoreModel,
  restoreTrainer,
} from "./train/checkpoint.ts";
export { clipGradients, clipGradientValues, gradientNorm } from "./train/clip-gradients.ts";
export { CombinedOptimizer } from "./train/combined-optimizer.ts";
export {
  type AttentiveClassifier,
  type Batches,
  type Classifier,
  classAccuracies,
  type EvaluateOptions,
  type Evaluation,
  evaluate,
  type ImageShape,
} from "./train/evaluate.ts";
export { type FindRateOptions, type FoundRate, findRate, type RatePoint } from "./train/find-rate.ts";
export { Lookahead, type LookaheadOptions } from "./train/lookahead.ts";
export {
  decodeModel,
  encodeModel,
  type ModelNotes,
  type Normalization,
  type SavedModel,
  type SaveModelOptions,
} from "./train/model-file.ts";
export { Muon, type MuonOptions } from "./train/muon.ts";
export {
  type BatchExtras,
  createObjective,
  type LabelOptions,
  learnFromLabels,
  type Objective,
  type ObjectiveOptions,
  type StepLoss,
  type Teaching,
} from "./train/objective.ts";
export type { Optimizer, ParameterGroup } from "./train/optimizer.ts";
export { orthogonalise } from "./train/orthogonalise.ts";
export { decayGroups, parameterGroups, type RateFactors, type WeightDecay } from "./train/parameter-groups.ts";
export type { EpochMetrics, Progress, StepReport } from "./train/progress.ts";
export type { LayerMaker, RecipeOptions } from "./train/recipe.ts";
export { decodeSafetensors, type EncodableArray, encodeSafetensors, type NamedArray, type Safetensors } from "./train/safetensors.ts";
export {
  cosine,
  multiStep,
  type OneCycleOptions,
  oneCycle,
  type Schedule,
  type TriangularOptions,
  triangular,
  warmUp,
} from "./train/schedules.ts";
export { Sgd, type SgdOptions } from "./train/sgd.ts";
export { type RateRule, structuredRates, withRates } from "./train/structured-rates.ts";
export { type TeacherMemory, taughtBatches } from "./train/taught-batches.ts";
export { augmentedLogits, type TestTimeOptions } from "./train/test-time-augmentation.ts";
export { type TrainEpochsOptions, trainEpochs } from "./train/train-epochs.ts";
export { Trainer, type TrainerOptions } from "./train/trainer.ts";
export { WeightAverage, type WeightAverageOptions } from "./train/weight-average.ts";
