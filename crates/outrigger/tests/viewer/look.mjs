// Opens studies in the viewer as a person would, and prints what stands on the screen, a line of JSON each:
//
//   node look.mjs CHROMIUM DIRECTORY image=URL report=URL ...
//
// `image` waits until a viewport shows a picture and prints its brightness in a grid; `report` waits for text and prints it.
// Screenshots go into the directory, for people.
import { createRequire } from 'node:module';

const { chromium } = createRequire(`${process.env.OUTRIGGER_BROWSING}/`)('playwright-core');

const [executablePath, directory, ...wanted] = process.argv.slice(2);
const PATIENCE_MS = 90_000;
const GRID = 16;
const VIEWPORT = '[data-cy="viewport-pane"]';

const browser = await chromium.launch({
  executablePath,
  args: [
    '--no-sandbox', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update',
    '--disable-sync', '--use-angle=swiftshader', '--enable-unsafe-swiftshader', '--ignore-gpu-blocklist',
  ],
});

// Brightness of a canvas in a grid, rows first, or nothing while it shows one colour only.
const brightness = grid => {
  const canvas = document.querySelector('canvas.cornerstone-canvas');
  if (!canvas || !canvas.width || !canvas.height) return null;
  const { width, height } = canvas;
  const copy = new OffscreenCanvas(width, height).getContext('2d');
  copy.drawImage(canvas, 0, 0);
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
  return distinct.size < 8 ? null : { distinct: distinct.size, width, height, grid: sums.map((sum, at) => sum / counts[at]) };
};

const text = selector => {
  const said = document.querySelector(selector)?.innerText?.trim();
  return said && said.length > 20 ? said : null;
};

let number = 0;
for (const want of wanted) {
  const kind = want.slice(0, want.indexOf('='));
  const url = want.slice(want.indexOf('=') + 1);
  const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
  const troubles = [];
  page.on('response', response => response.status() >= 400 && troubles.push(`${response.status()} ${response.url()}`));
  page.on('requestfailed', request => troubles.push(`${request.failure()?.errorText} ${request.url()}`));
  page.on('pageerror', error => troubles.push(String(error)));
  let seen = null;
  try {
    await page.goto(url, { timeout: PATIENCE_MS });
    const shown = kind === 'image'
      ? await page.waitForFunction(brightness, GRID, { timeout: PATIENCE_MS, polling: 250 })
      : await page.waitForFunction(text, VIEWPORT, { timeout: PATIENCE_MS, polling: 250 });
    seen = await shown.jsonValue();
  } catch (error) {
    troubles.push(String(error));
  }
  await page.screenshot({ path: `${directory}/${number++}.png` });
  console.log(JSON.stringify({ url, kind, seen, troubles }));
  await page.close();
}
await browser.close();
