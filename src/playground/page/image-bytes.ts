/** Pictures as the bytes that a network sees. */

/** Height and width in pixels. */
const side = 32;

/** The middle square of a picture, scaled to [3,32,32] in bytes, on white where it is transparent. */
export function squareBytes(source: CanvasImageSource, width: number, height: number): Uint8Array {
  const canvas = new OffscreenCanvas(side, side);
  const context = canvas.getContext("2d", { willReadFrequently: true })!;
  context.fillStyle = "#fff";
  context.fillRect(0, 0, side, side);
  context.imageSmoothingQuality = "high";
  const shorter = Math.min(width, height);
  context.drawImage(source, (width - shorter) / 2, (height - shorter) / 2, shorter, shorter, 0, 0, side, side);
  const { data } = context.getImageData(0, 0, side, side);
  const plane = side * side;
  const bytes = new Uint8Array(3 * plane);
  for (let pixel = 0; pixel < plane; pixel++) for (let c = 0; c < 3; c++) bytes[c * plane + pixel] = data[4 * pixel + c]!;
  return bytes;
}

/** The picture of a file, [3,32,32] in bytes. The browser turns it upright. */
export async function imageBytes(file: Blob): Promise<Uint8Array> {
  const bitmap = await createImageBitmap(file);
  try {
    return squareBytes(bitmap, bitmap.width, bitmap.height);
  } finally {
    bitmap.close();
  }
}
