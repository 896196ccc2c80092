/** The plot of docs/performance.md: bars of the rates beside the peers', and what a task costs as the cluster grows. Pure. */

const WIDTH = 760;
const LEFT = 150;
const RIGHT = 90;
const BAR = 18;
const GAP = 7;
const PANEL_GAP = 34;
const OWN = '#2563eb';
const OTHER = '#94a3b8';

const escaped = (text) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');

/** `bars`: `{ name, value, shown }`; drawn from 0, the longest as wide as the panel. */
function panel({ title, bars, top }) {
  const most = Math.max(...bars.map(({ value }) => value));
  const lines = bars.map(({ name, value, shown = String(value) }, i) => {
    const y = top + 22 + i * (BAR + GAP);
    const width = Math.max(1, ((WIDTH - LEFT - RIGHT) * value) / most);
    const fill = name.startsWith('boi-node') ? OWN : OTHER;
    return [
      `<text x="${LEFT - 8}" y="${y + 13}" text-anchor="end">${escaped(name)}</text>`,
      `<rect x="${LEFT}" y="${y}" width="${width.toFixed(1)}" height="${BAR}" fill="${fill}"/>`,
      `<text x="${(LEFT + width + 6).toFixed(1)}" y="${y + 13}">${escaped(shown)}</text>`,
    ].join('\n');
  });
  const text = `<text x="0" y="${top + 12}" font-weight="bold">${escaped(title)}</text>\n${lines.join('\n')}`;
  return { text, bottom: top + 22 + bars.length * (BAR + GAP) };
}

export function plot({ results, growth }) {
  const rates = (rows = []) => rows.map(({ name, perSecond }) => ({ name, value: perSecond }));
  const nodes = growth.series?.find(({ name }) => name === 'nodes')?.rows ?? [];
  const panels = [
    { title: 'No-op tasks a second, durable, three workers', bars: rates(results.noop) },
    { title: 'Processes a second (/bin/true)', bars: rates(results.real) },
    {
      title: 'Watch events a task, as nodes grow (simulation)',
      bars: nodes.map((row) => ({ name: `boi-node, ${row.nodes}`, value: row.watchEvents })),
    },
    {
      title: 'Writes to the store a task, as nodes grow (simulation)',
      bars: nodes.map((row) => ({ name: `boi-node, ${row.nodes}`, value: row.writes })),
    },
  ].filter(({ bars }) => bars.length > 0);
  let top = 8;
  const texts = panels.map(({ title, bars }) => {
    const { text, bottom } = panel({ title, bars, top });
    top = bottom + PANEL_GAP;
    return text;
  });
  const height = top - PANEL_GAP + 8;
  const head = `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" font-family="sans-serif" font-size="13">`;
  return `${head}\n<title>boi-node beside its peers, and as its cluster grows</title>\n<rect width="100%" height="100%" fill="#ffffff"/>\n${texts.join('\n')}\n</svg>\n`;
}
