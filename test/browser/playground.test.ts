/**
 * The playground as a visitor uses it, in a real browser: it trains, pauses, changes a family, saves what the command line reads, and
 * replays a link to the same numbers.
 */

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { chromium, type Page } from "playwright-core";
import { beforeAll, describe, expect, test } from "vitest";
import { disposeBackend, useBackend } from "../../src/backend/active.ts";
import { createReferenceBackend } from "../../src/backend/reference/reference-kernels.ts";
import { Random } from "../../src/core/random.ts";
import { WideResNet } from "../../src/models/wide-resnet.ts";
import { shippedNetwork } from "../../src/playground/labs/structure-lens/shipped-network.ts";
import { encodeModel } from "../../src/train/model-file.ts";
import { chromium as executablePath } from "../../vitest.config.ts";
import { jsonLines, runCli } from "../cli/run-cli.ts";
import { Collected, tinySettings } from "../playground/collect.ts";
import { clipped, seriousFaults } from "./page-checks.ts";
import { missingChromium } from "./serve-page.ts";
import { servedPlayground } from "./served-playground.ts";
import { softwareGraphics } from "./software-graphics.ts";
import { colours, writeCifarCache, writePictures } from "./visitor-images.ts";

if (missingChromium !== undefined) console.warn(`browser tests of the playground skipped: ${missingChromium}`);

const playground = servedPlayground();
const { visit } = playground;

const main = (page: Page) => page.locator("button.primary");
const finished = (page: Page): Promise<void> => main(page).and(page.locator("[data-status=finished]")).waitFor();

/** The numbers of both runs, as the page shows them, and the step that it has reached. */
const numbers = (page: Page): Promise<{ readonly place: string; readonly accuracies: string[]; readonly losses: string[] }> =>
  page.evaluate(() => {
    const texts = (selector: string): string[] => [...document.querySelectorAll(selector)].map(({ textContent }) => textContent ?? "");
    return {
      place: texts(".place")[0]!,
      accuracies: texts(".figure:nth-child(1) dd"),
      losses: texts(".figure:nth-child(2) dd"),
    };
  });

/** Drops a file or a folder of this machine on an element. */
async function drop(page: Page, path: string, selector: string): Promise<void> {
  await page.locator(selector).scrollIntoViewIfNeeded();
  const box = (await page.locator(selector).boundingBox())!;
  const session = await page.context().newCDPSession(page);
  const data = { items: [], files: [path], dragOperationsMask: 1 };
  for (const type of ["dragEnter", "dragOver", "drop"] as const)
    await session.send("Input.dispatchDragEvent", { type, x: box.x + box.width / 2, y: box.y + box.height / 2, data });
  await session.detach();
}

/** 80 steps of each run: enough to learn some of the ten patterns. */
const learning = "#train=640&test=128&epochs=2&batch=16&threads=2";

describe.skipIf(missingChromium !== undefined)("the playground in Chromium", () => {
  test("trains above chance, pauses, changes a family, saves, and replays its link to the same numbers", async () => {
    const page = await visit(learning);
    expect(await page.evaluate(() => crossOriginIsolated)).toBe(true);
    expect(await page.locator(".notice:visible").count()).toBe(0);
    await main(page).click();
    await page.getByText(/^step \d+ of 80$/).waitFor();
    await main(page).click();
    await main(page).and(page.locator("[data-status=paused]")).waitFor();
    const paused = Number(/\d+/.exec((await numbers(page)).place)![0]);
    await page.getByRole("button", { name: "Step" }).click();
    await page.getByText(`step ${paused + 1} of 80`).waitFor();

    await page.getByLabel("Family of Run B").selectOption("Monarch");
    await page.getByText(`Step ${paused + 1}: nearest Monarch_4`).waitFor();
    await main(page).click();
    await finished(page);
    const trained = await numbers(page);
    expect(trained.place).toBe("step 80 of 80");
    // With ten classes, 20 % of 128 images is more than three standard deviations above chance.
    expect(Number.parseFloat(trained.accuracies[0]!)).toBeGreaterThan(20);

    const download = page.waitForEvent("download");
    await page.getByRole("button", { name: "Save B" }).click();
    const file = join(playground.folder, (await download).suggestedFilename());
    await (await download).saveAs(file);
    expect(file).toMatch(/wrn-10-1-Monarch_4-step-80\.safetensors$/);
    const { code, stdout, stderr } = await runCli(["eval", file, "--threads", "1", "--backend", "wasm", "--json", "--no-progress"]);
    expect(code, stderr).toBe(0);
    const [evaluated] = jsonLines(stdout) as [{ accuracy: number }];
    expect(`${(100 * evaluated.accuracy).toFixed(1)} %`).toBe(trained.accuracies[1]);

    const link = new URL(page.url()).hash;
    expect(link).toContain(`changes=b%40${paused + 1}%3AMonarch_4`);
    await page.close();
    const replay = await visit(link);
    await main(replay).click();
    await finished(replay);
    expect(await numbers(replay)).toEqual(trained);
    await replay.close();
  });

  test("loads at most 300 KB of compressed scripts and kernels before the first curve, and no code for graphics devices", async () => {
    const scripts = new Map<string, number>();
    const page = await visit("#train=64&test=32&epochs=1&batch=32&threads=1");
    const loaded = (): Promise<string[]> => page.evaluate(() => performance.getEntriesByType("resource").map(({ name }) => name));
    page.context().on("request", (request) => scripts.set(new URL(request.url()).pathname, 0));
    await main(page).click();
    await page.locator("svg .curve").first().waitFor();
    for (const url of await loaded()) scripts.set(new URL(url).pathname, 0);
    // The requests of workers are in the timeline of the worker, which the page cannot read: the test asks for what the context saw.
    let bytes = 0;
    for (const path of scripts.keys()) bytes += gzipSync(await readFile(join(playground.folder, "page", path))).length;
    expect([...scripts.keys()].filter((path) => path.includes("relaxed") || path.includes("baseline"))).not.toEqual([]);
    expect([...scripts.keys()].filter((path) => path.includes("gpu"))).toEqual([]);
    expect(bytes).toBeLessThanOrEqual(300_000);
    await page.close();
  });

  test("classifies what is drawn, opens a checkpoint, and says what is wrong with a link and with a file", async () => {
    const page = await visit("#seed=-1");
    await page.getByRole("alert").getByText("seed must be an integer").waitFor();
    await page.goto("about:blank");
    await page.goto(`${playground.isolated.address}#train=64&test=32&epochs=1&batch=32&threads=1`);
    await main(page).click();
    await finished(page);
    const pad = (await page.locator(".pad").boundingBox())!;
    await page.locator(".pad").scrollIntoViewIfNeeded();
    const at = (await page.locator(".pad").boundingBox())!;
    await page.mouse.move(at.x + pad.width / 4, at.y + pad.height / 2);
    await page.mouse.down();
    await page.mouse.move(at.x + (3 * pad.width) / 4, at.y + pad.height / 2, { steps: 4 });
    await page.mouse.up();
    await page.locator(".guess.b .guess-row").first().waitFor();
    expect(await page.locator(".guess-row").count()).toBe(8);

    const download = page.waitForEvent("download");
    await page.getByRole("button", { name: "Save A" }).click();
    const file = join(playground.folder, "a.safetensors");
    await (await download).saveAs(file);
    const before = await numbers(page);
    await page.getByLabel("Checkpoint to open").setInputFiles(file);
    await page.getByText("One run alone has the whole machine.").waitFor();
    await finished(page);
    expect(before.accuracies).toHaveLength(2);
    await page
      .getByLabel("Checkpoint to open")
      .setInputFiles({ name: "x.safetensors", mimeType: "", buffer: Buffer.from("no checkpoint") });
    await page.getByRole("alert").getByText("x.safetensors").waitFor();
    await page.close();
  });

  test("without isolation it says what is lost, trains on one thread, and a service worker gives the threads back", async () => {
    const context = await playground.browser.newContext();
    const page = await context.newPage();
    page.on("pageerror", (error) => playground.complain(error.message));
    await page.goto(`${playground.plain.address}#train=64&test=32&epochs=1&batch=32`);
    await page.getByText("This page computes on one thread").waitFor();
    await main(page).click();
    await page.getByText(/^wasm, 1 thread,/).waitFor();
    await finished(page);
    await page.getByRole("button", { name: "Use all cores" }).click();
    await page.waitForFunction(() => crossOriginIsolated);
    await page.waitForSelector("html[data-ready]");
    await main(page).click();
    await page.getByText(/^wasm, \d+ threads?,/).waitFor();
    await context.close();
  });

  test.each(["light", "dark"] as const)("has no serious fault for axe, and fits 390 pixels: %s", async (colorScheme) => {
    const page = await visit("#train=64&test=32&epochs=1&batch=32&threads=1", {
      viewport: { width: 390, height: 844 },
      colorScheme,
    });
    expect(await seriousFaults(page)).toEqual([]);
    await main(page).click();
    await finished(page);
    await page.locator(".confusion").waitFor();
    expect(await seriousFaults(page)).toEqual([]);
    const matrix = (): Promise<string> => page.locator(".whole canvas").evaluate((canvas) => (canvas as HTMLCanvasElement).toDataURL());
    const before = await matrix();
    await page.getByRole("button", { name: "Light or dark" }).click();
    expect(await matrix()).not.toBe(before);
    expect(await clipped(page, ".scroll, .site nav")).toEqual([]);
    await page.close();
  });

  test("the structure lens follows the choices and what is drawn, without a serious fault", async () => {
    const page = await visit("labs/structure-lens.html", { viewport: { width: 390, height: 844 } });
    const lost = (): Promise<string | null> => page.locator(".figure dd").first().textContent();
    await page.locator(".ways tbody tr").nth(1).waitFor();
    const smooth = await lost();
    await page.getByLabel("Structure", { exact: true }).selectOption("Kronecker");
    await page.getByText("a sum of Kronecker products").waitFor();
    await page.waitForFunction((before) => document.querySelector(".figure dd")!.textContent !== before, smooth);
    await page.getByLabel("Matrix", { exact: true }).selectOption("kronecker");
    // A sum of four Kronecker products holds one of them.
    await page.locator(".figure dd").first().getByText("0.0 %").waitFor();
    await page.locator(".paintable").hover();
    await page.mouse.down();
    await page.mouse.up();
    await page.waitForFunction(() => document.querySelector(".figure dd")!.textContent !== "0.0 %");
    expect(await seriousFaults(page)).toEqual([]);
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(390);
    await page.close();
  });

  test("the structure lens looks at a layer of the network that comes with it, and of the visitor's checkpoint", async () => {
    const page = await visit("labs/structure-lens.html", { viewport: { width: 390, height: 844 } });
    const loaded: string[] = [];
    page.on("response", (response) => void loaded.push(new URL(response.url()).pathname));
    await page.locator(".ways tbody tr").nth(2).waitFor();
    const isNetwork = (path: string): boolean => path.endsWith(".safetensors");
    expect(loaded.filter(isNetwork)).toEqual([]);
    await page.getByLabel("Matrix", { exact: true }).selectOption("A trained network");
    await page.getByRole("rowheader", { name: "the kernel K itself" }).waitFor();
    expect(loaded.filter(isNetwork)).toEqual([`/labs/${shippedNetwork.file}`]);
    const layer = page.getByLabel("Layer", { exact: true });
    expect(await layer.inputValue()).toBe("block3.0.layer.0.conv2");
    await page.getByText("parameters, of 36,864").waitFor();
    expect(await page.getByRole("img", { name: "W, 64×64 numbers" }).count()).toBe(1);
    await layer.selectOption("block2.0.layer.0.convShortcut");
    await page.getByText("parameters, of 512").waitFor();
    expect(await page.getByRole("img", { name: "W, 32×16 numbers" }).count()).toBe(1);
    await page.getByRole("rowheader", { name: "W itself, without structure" }).waitFor();
    expect(await seriousFaults(page)).toEqual([]);
    expect(await clipped(page, ".site nav")).toEqual([]);

    const input = page.getByLabel("Checkpoint to open");
    await input.setInputFiles({ name: "x.safetensors", mimeType: "", buffer: Buffer.from("no checkpoint") });
    await page.getByRole("alert").getByText("x.safetensors").waitFor();
    // The network before is still open.
    await layer.selectOption("fc");
    await page.getByText("parameters, of 640").waitFor();
    useBackend(createReferenceBackend());
    const network = new WideResNet({ depth: 10, width: 1, classes: 7 }, { random: new Random(0) });
    const buffer = Buffer.from(await encodeModel(network));
    disposeBackend();
    await input.setInputFiles({ name: "seven.safetensors", mimeType: "", buffer });
    await page.getByText("Your seven.safetensors.").waitFor();
    await layer.selectOption("fc");
    await page.getByText("parameters, of 448").waitFor();
    expect(await page.getByRole("alert").count()).toBe(0);
    await page.close();
  });

  test("a visitor breaks a gradient, and sees the counterexample shrink", async () => {
    const page = await visit("labs/break-gradient.html", { viewport: { width: 390, height: 844 } });
    await page.getByText("100 generated inputs agree").waitFor();
    expect(await page.locator(".shrinking li").count()).toBe(0);
    await page.getByRole("button", { name: "forget the product rule" }).click();
    await page.getByText(/^Wrong\./).waitFor();
    await page.getByText("The smallest counterexample").waitFor();
    expect(await page.locator(".shrinking li").count()).toBeGreaterThan(1);
    expect(await page.locator(".smallest .grid").first().locator("span").count()).toBe(1);
    expect(await seriousFaults(page)).toEqual([]);
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(390);
    const editor = page.getByLabel("Source of the VJP");
    await editor.fill("return multiply(g,");
    await page.getByText(/Unexpected token/).waitFor();
    await page.getByLabel("Op", { exact: true }).selectOption("gram");
    await page.getByText("100 generated inputs agree").waitFor();
    await page.close();
  });
});

describe.skipIf(missingChromium !== undefined)("the playground on a visitor's images", () => {
  test("trains on CIFAR-10 of the server's cache, and says what to do where there is none", async () => {
    await writeCifarCache(join(playground.folder, "cache"), 64);
    const settings = "#data=cifar10&train=64&test=32&epochs=1&batch=32&threads=1&b=none";
    const page = await visit(settings);
    await main(page).click();
    await finished(page);
    expect((await numbers(page)).place).toBe("step 2 of 2");
    expect(
      await page.locator(".samples figure").evaluateAll((figures) => figures.map((figure) => (figure as HTMLElement).title)),
    ).toContain("frog");
    await page.close();
    const without = await playground.browser.newPage();
    await without.goto(`${playground.plain.address}${settings}`);
    await main(without).click();
    await without.getByRole("alert").getByText("cifar10: needs the server of separable playground").waitFor();
    await without.close();
  });

  test("reads a folder that is dropped or chosen, trains on it, and names the colour of a picture", async () => {
    const pictures = join(playground.folder, "pictures");
    await writePictures(pictures, 20);
    const page = await visit("#data=pictures&epochs=8&batch=16&threads=1&b=none&augment=none");
    const read = page.getByText("40 pictures of 2 classes: blue, red");
    await page.getByLabel("Folder of pictures").setInputFiles(pictures);
    await read.waitFor();
    await page.reload();
    expect(await read.count()).toBe(0);
    await drop(page, pictures, ".dropzone");
    await read.waitFor();
    await main(page).click();
    await finished(page);
    for (const colour of Object.keys(colours)) {
      await drop(page, join(pictures, colour, "0.png"), ".pad");
      await page.locator(".guess.a .guess-row").first().getByText(colour).waitFor();
    }
    await page.close();
  });
});

/** Steps of one run of a network that a software driver trains in seconds. */
const brief = { train: 32, test: 16, epochs: 1, batch: 8, threads: 1, network: "fast", a: "Sep", b: "none" } as const;
const briefly = new URLSearchParams(Object.entries(brief).map(([name, value]) => [name, String(value)])).toString();
const chip = (page: Page) => page.locator(".toolbar .chip");
const note = (page: Page) => page.locator(".notice:visible");

describe.skipIf(missingChromium !== undefined)("the playground on graphics devices", () => {
  /** The loss of the first step on wasm. */
  let expected: number;
  beforeAll(async () => {
    const onCpu = new Collected(({ kind }, session) => void (kind === "step" && session.receive({ kind: "pause" })));
    await onCpu.send({ kind: "start", settings: { ...tinySettings, ...brief } });
    disposeBackend();
    expected = onCpu.losses("a")[0]!;
  });

  test.each(["webgpu", "webgl2"] as const)("trains on %s as on the CPU, and says which device it is", async (backend) => {
    const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--no-first-run", ...softwareGraphics[backend]] });
    const page = await visit(`#${briefly}&backend=${backend}`, {}, browser);
    await main(page).click();
    await page.getByText("step 1 of 4").waitFor({ timeout: 100_000 });
    expect(await chip(page).textContent()).toMatch(new RegExp(`^${backend} on .*SwiftShader.*, which is software$`, "i"));
    // Float32 sums in another order differ by less than the digits that the page shows.
    expect(Math.abs(Number((await numbers(page)).losses[0]) - expected)).toBeLessThan(0.001);
    expect(await note(page).count()).toBe(0);
    await browser.close();
  });

  test("takes the CPU where there is no device, and says why as long as the runs are there", async () => {
    const page = await visit(`#${briefly}`);
    for (const [chosen, why] of [
      ["webgpu", /^wasm computes, because webgpu does not run here: /],
      ["auto", /^auto takes wasm: no GPU: /],
    ] as const) {
      await page.getByLabel("Compute on").selectOption(chosen);
      await main(page).click();
      await page.getByText(/^step [1-4] of 4$/).waitFor();
      await note(page).getByText(why).waitFor();
      expect(await chip(page).textContent()).toMatch(/^wasm, 1 thread/);
      await page.getByRole("button", { name: "Reset" }).click();
    }
    expect(new URL(page.url()).hash).toContain("backend=auto");
    await page.close();
  });
});
