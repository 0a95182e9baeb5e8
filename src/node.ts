/**
 * The entry `separable/node`: what needs Node, such as files, downloads, worker threads and process flags. All the rest is in `separable`.
 */

export { provideWebGpu } from "./backend/gpu/node/provide-webgpu.ts";
export { enableRelaxedSimd } from "./backend/wasm/node/enable-relaxed-simd.ts";
export { enableWideSimd } from "./backend/wasm/node/enable-wide-simd.ts";
export type { CifarName } from "./data/cifar-format.ts";
export { DataUnavailableError } from "./data/data-unavailable-error.ts";
export { BatchLoader } from "./data/node/batch-loader.ts";
export { cacheFolder } from "./data/node/cache-folder.ts";
export {
  type DataProgress,
  type DataSource,
  type LoadCifarOptions,
  type LoadedImages,
  loadCifar,
  loadCifarOrSynthetic,
} from "./data/node/cifar.ts";
export { decodeImage, type ImageView } from "./data/node/decode-image.ts";
export { type FolderDataset, type ImageFolderOptions, imageFolder } from "./data/node/image-folder.ts";
export { prefetchBatches } from "./data/node/prefetch-batches.ts";
export type { BatchLoaderOptions, PrefetchOptions } from "./data/node/prefetch-options.ts";
export { writeReport } from "./report/node/write-report.ts";
export { type Plot, plotsOf, type ReportOptions, renderReport } from "./report/page.ts";
export { picturePng } from "./report/picture-png.ts";
export type { Picture, ReportPicture, ReportRun } from "./report/report-run.ts";
export { writeFileAtomic } from "./train/node/atomic-file.ts";
export { type FoundCheckpoint, readCheckpointFile } from "./train/node/checkpoint-files.ts";
export { type EventFileOptions, EventFileWriter } from "./train/node/event-file.ts";
export type { PngImage } from "./train/node/event-records.ts";
export { loadModel, saveModel } from "./train/node/model-file.ts";
export { type RecordedEvaluation, RunFolder } from "./train/node/run-folder.ts";
