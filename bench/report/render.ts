/**
 * Vega draws the charts, as text and without a DOM. Its and Vega-Lite's own types need the browser's, which this project
 * does not have; the specifications are data, so the few functions used are described here.
 */
import type { Chart, Theme } from "./charts.ts";

interface Vega {
  readonly parse: (specification: object) => object;
  readonly View: new (runtime: object, options: object) => { toSVG(): Promise<string>; finalize(): unknown };
}
interface VegaLite {
  readonly compile: (specification: object) => { readonly spec: object };
}

const FONT = "system-ui, -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif";

/** The chart as an SVG document with a transparent background. */
export async function renderSvg(chart: Chart, theme: Theme): Promise<string> {
  const vega = (await load("vega")) as Vega;
  const vegaLite = (await load("vega-lite")) as VegaLite;
  const { spec } = vegaLite.compile({
    ...chart,
    background: "transparent",
    padding: 8,
    config: configOf(theme),
  });
  const view = new vega.View(vega.parse(spec), { renderer: "none" });
  try {
    return `${await view.toSVG()}\n`;
  } finally {
    view.finalize();
  }
}

/** Under a name that is not literal: the compiler would read the module's types. */
function load(module: string): Promise<unknown> {
  return import(module);
}

function configOf({ text, muted, grid, bar, ours }: Theme): object {
  return {
    font: FONT,
    range: { category: [bar, ours] },
    view: { stroke: null },
    title: {
      anchor: "start",
      frame: "group",
      color: text,
      fontSize: 13,
      subtitleColor: muted,
      subtitleFontSize: 11,
      offset: 8,
    },
    axis: {
      labelColor: text,
      labelFontSize: 11,
      labelLimit: 200,
      domain: false,
      ticks: false,
      gridColor: grid,
      labelPadding: 6,
    },
    axisX: { labelColor: muted, tickCount: 5 },
    axisY: { grid: false },
    rule: { color: text, strokeWidth: 1.5 },
    text: { color: text, fontSize: 11 },
  };
}
