// Opens studies in the viewer as a person would, and prints what stands on the screen:
//
//   node look.mjs CHROMIUM DIRECTORY
//
// Each line of input is `KIND STEPS URL`, and is answered by a line of JSON. `image` waits until a viewport shows a picture and gives its
// brightness in a grid, as the screenshot has it; then it turns the wheel over it so many times, and gives what stands there after.
// `report` waits for text and gives it. Screenshots go into the directory, for people too. The browser is one for all: it keeps the
// viewer's own files between pages, and an answer of DICOMweb out of its cache is trouble.
import { writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';

const { chromium } = createRequire(`${process.env.OUTRIGGER_BROWSING}/`)('playwright-core');

const [executablePath, directory] = process.argv.slice(2);
const PATIENCE_MS = 90_000;
const POLLING_MS = 100;
const GRID = 16;
const CANVAS = 'canvas.cornerstone-canvas';
const VIEWPORT = '[data-cy="viewport-pane"]';

const browser = await chromium.launch({
  executablePath,
  args: [
    '--no-sandbox', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update',
    '--disable-sync', '--use-angle=swiftshader', '--enable-unsafe-swiftshader', '--ignore-gpu-blocklist',
  ],
});
const context = await browser.newContext({ viewport: { width: 1000, height: 700 } });
// The tour for those who are here for the first time would stand over the picture.
await context.addInitScript(() => localStorage.setItem('shownTours', JSON.stringify(['basicViewerTour'])));

// Whether the canvas shows more than one colour.
const painted = selector => {
  const canvas = document.querySelector(selector);
  if (!canvas || !canvas.width || !canvas.height) return false;
  const copy = new OffscreenCanvas(64, 64).getContext('2d');
  copy.drawImage(canvas, 0, 0, 64, 64);
  const { data } = copy.getImageData(0, 0, 64, 64);
  return new Set(data.filter((_, at) => at % 4 === 1)).size >= 8;
};

// Brightness of a picture in PNG in a grid, rows first.
const brightness = async ([png, grid]) => {
  const bytes = Uint8Array.from(atob(png), letter => letter.charCodeAt(0));
  const picture = await createImageBitmap(new Blob([bytes], { type: 'image/png' }));
  const { width, height } = picture;
  const copy = new OffscreenCanvas(width, height).getContext('2d');
  copy.drawImage(picture, 0, 0);
  const { data } = copy.getImageData(0, 0, width, height);
  const distinct = new Set();
  const sums = new Array(grid * grid).fill(0);
  const counts = new Array(grid * grid).fill(0);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const at = 4 * (y * width + x);
      const grey = (data[at] + data[at + 1] + data[at + 2]) / 3;
      distinct.add(Math.round(grey));
      const cell = Math.floor((y * grid) / height) * grid + Math.floor((x * grid) / width);
      sums[cell] += grey;
      counts[cell] += 1;
    }
  }
  return { distinct: distinct.size, width, height, grid: sums.map((sum, at) => sum / counts[at]) };
};

// What is written there, with plain spaces.
const text = selector => {
  const said = document.querySelector(selector)?.innerText?.replaceAll('\u00a0', ' ').trim();
  return said && said.length > 20 ? said : null;
};

// Looks at the canvas until it stands still, and is another than before; the screenshot is kept.
const still = async (page, name, before) => {
  const clip = await page.locator(CANVAS).first().boundingBox();
  let last = before;
  for (const until = Date.now() + PATIENCE_MS; ; await page.waitForTimeout(POLLING_MS)) {
    const png = (await page.screenshot({ clip })).toString('base64');
    if (png === last?.png && png !== before?.png) {
      await writeFile(`${directory}/${name}.png`, png, 'base64');
      return { png, seen: await page.evaluate(brightness, [png, GRID]) };
    }
    if (Date.now() > until) throw new Error(before && png === before.png ? 'it stays as it was' : 'it does not stand still');
    last = { png };
  }
};

const image = async (page, steps, name) => {
  await page.waitForFunction(painted, CANVAS, { timeout: PATIENCE_MS, polling: POLLING_MS });
  const first = await still(page, `${name}-first`);
  await page.locator(CANVAS).first().hover();
  for (let step = 0; step < steps; step++) {
    await page.mouse.wheel(0, 100);
    await page.waitForTimeout(POLLING_MS);
  }
  const later = await still(page, `${name}-later`, first);
  return [first.seen, later.seen];
};

const report = async (page, name) => {
  const said = await page.waitForFunction(text, VIEWPORT, { timeout: PATIENCE_MS, polling: POLLING_MS });
  await page.screenshot({ path: `${directory}/${name}.png` });
  return said.jsonValue();
};

// What goes wrong between a page and the door.
const watched = async page => {
  const troubles = [];
  page.on('response', response => response.status() >= 400 && troubles.push(`${response.status()} ${response.url()}`));
  page.on('requestfailed', request => troubles.push(`${request.failure()?.errorText} ${request.url()}`));
  page.on('pageerror', error => troubles.push(String(error)));
  const network = await context.newCDPSession(page);
  const asked = new Map();
  const cached = url => url?.includes('/dicomweb/') && troubles.push(`out of the cache: ${url}`);
  network.on('Network.requestWillBeSent', ({ requestId, request }) => asked.set(requestId, request.url));
  network.on('Network.requestServedFromCache', ({ requestId }) => cached(asked.get(requestId)));
  network.on('Network.responseReceived', ({ response }) => response.fromDiskCache && cached(response.url));
  await network.send('Network.enable');
  return troubles;
};

let number = 0;
for await (const line of createInterface({ input: process.stdin })) {
  const [kind, steps, url] = line.split(' ');
  const page = await context.newPage();
  const troubles = await watched(page);
  const name = `${number++}-${kind}`;
  let seen = null;
  try {
    await page.goto(url, { timeout: PATIENCE_MS });
    seen = kind === 'image' ? await image(page, Number(steps), name) : await report(page, name);
  } catch (error) {
    troubles.push(String(error));
    await page.screenshot({ path: `${directory}/${name}-trouble.png` });
  }
  console.log(JSON.stringify({ url, kind, seen, troubles }));
  await page.close();
}
await browser.close();
