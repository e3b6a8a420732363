import { createHash } from "node:crypto";
import type { RuleReport } from "../audit/events.ts";
import type { Holder } from "../audit/holders.ts";
import type { Fact } from "../facts.ts";
import { crossings, markPercent } from "../gates/disk-pressure.ts";
import {
  curves,
  KINDS,
  type Mark,
  markOf,
  type PastPass,
  removedCount,
  saysMore,
  summarize,
} from "../history/passes.ts";
import { formatMoment } from "../history/ticks.ts";
import type { Engine } from "../observe.ts";
import type { Judged } from "../plan/plan.ts";
import type { Pressure } from "../pressure.ts";
import type { PlanPreview } from "../preview.ts";
import type { Settings } from "../settings/settings.ts";
import type { Suspicion } from "../suspicions.ts";
import { formatBytes, formatDuration, formatWatermark } from "../units.ts";
import { barFigure, curveFigure, KIND_WORDS, kindLegend, markLegend, removedFigure } from "./figures.ts";
import { type Content, html, Markup } from "./html.ts";
import { STYLE } from "./style.ts";
import { deferralsByGate, largest, removedOverTime, rulesOverTime } from "./sums.ts";

/** Everything that the page says. */
export interface PageFacts {
  readonly version: string;
  readonly host: string;
  /** Milliseconds since the epoch. */
  readonly madeAt: number;
  /** Of the times on the page, `"Europe/Berlin"`. */
  readonly zone: string;
  readonly settings: Settings;
  readonly pressure: Pressure;
  readonly engine: Fact<Engine>;
  readonly history: {
    /** Oldest first. */
    readonly passes: readonly PastPass[];
    readonly source: string;
    readonly since: number | null;
    readonly skipped: string | null;
    readonly unreadable: string | null;
  };
  readonly plan: Fact<PlanPreview>;
  /** What stays and is no candidate of the plan: images with a name. */
  readonly named: Fact<readonly Judged[]>;
  readonly holders: Fact<readonly Holder[]>;
  readonly suspicions: readonly Suspicion[];
}

const SHOWN_PASSES = 30;
const SHOWN_SURVIVORS = 15;
const SHOWN_REASONS = 3;
const ICON =
  "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Crect y='9' width='4' height='7' fill='%231667c4'/%3E%3Crect x='6' y='3' width='4' height='13' fill='%231667c4'/%3E%3Crect x='12' y='11' width='4' height='5' fill='%231b7f4b'/%3E%3C/svg%3E";

/** One page that needs nothing else: no request leaves it, and nothing in it runs. Pure. */
export function reportPage(facts: PageFacts): string {
  const style = `sha256-${createHash("sha256").update(STYLE).digest("base64")}`;
  const policy = `default-src 'none'; style-src '${style}'; img-src data:; base-uri 'none'; form-action 'none'`;
  const { passes } = facts.history;
  const range = [facts.history.since ?? passes[0]?.startedAt ?? facts.madeAt, facts.madeAt] as const;
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${Markup.trusted(policy)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<meta name="robots" content="noindex">
<link rel="icon" href="${Markup.trusted(ICON)}">
<title>Disk report of ${facts.host}</title>
<style>${Markup.trusted(STYLE)}</style>
</head>
<body>
${pageHeader(facts)}
<main>
${tiles(facts)}
${notes(facts)}
${curveSections(facts, range)}
${removedSection(facts, range)}
${deferralSection(passes)}
${ruleSection(facts)}
${survivorSection(facts)}
${passSection(passes)}
</main>
<footer>Made by ci-docker-prune ${facts.version}. This page loads nothing and runs nothing.</footer>
</body>
</html>
`.toString();
}

function pageHeader({ host, madeAt, zone, engine, history }: PageFacts): Markup {
  const [first] = history.passes;
  const told = engine.known
    ? `engine ${engine.value.version.version}, ${engine.value.info.imageStore} image store`
    : "engine not reached";
  const passes =
    first === undefined
      ? "no pass on record"
      : `${history.passes.length} passes since ${formatMoment(history.since ?? first.startedAt)}`;
  return html`<header><h1>Disk report of <bdi>${host}</bdi></h1>
<p class="muted">${formatMoment(madeAt)} (${zone}) · ${told} · ${passes}, from ${history.source}</p></header>`;
}

/** What one wants to know first: how full each disk is, and what the passes came to. */
function tiles({ pressure, settings, history }: PageFacts): Markup {
  const { disk } = settings;
  const { freedBytes, removed } = summarize(history.passes);
  const objects = Object.values(removed).reduce((sum, count) => sum + count, 0);
  const counts = (marks: readonly Mark[]) =>
    history.passes.filter((pass) => marks.includes(markOf(pass))).length;
  const trouble = counts(["failed", "pressure"]);
  return html`<div class="tiles">
${pressure.filesystems.map((fact) => {
  if (!fact.known)
    return html`<div class="tile over"><div>${fact.what}</div><div class="badt">${fact.reason}</div></div>`;
  const filesystem = fact.value;
  const { usedPercent, availableBytes, totalBytes, inodesUsedPercent, paths } = filesystem;
  const over = crossings(filesystem, disk.highWatermark, disk.inodes).length > 0;
  const inodes = inodesUsedPercent === null ? "" : `, ${inodesUsedPercent}% of inodes`;
  return html`<div class="tile${over && " over"}"><div class="muted"><bdi>${paths.join(", ")}</bdi></div>
<div class="big">${usedPercent}%</div>
${barFigure(usedPercent, markPercent(filesystem, disk.highWatermark), over, `${usedPercent}% used, the high watermark is ${formatWatermark(disk.highWatermark)}`)}
<div class="muted">${formatBytes(availableBytes)} of ${formatBytes(totalBytes)} left${inodes}. High watermark ${formatWatermark(disk.highWatermark)}${over ? ": under pressure" : ""}.</div></div>`;
})}
<div class="tile"><div class="muted">the disk gained</div><div class="big">${formatBytes(freedBytes)}</div><div class="muted">by passes that removed ${objects} objects, measured before and after each</div></div>
<div class="tile"><div class="muted">passes</div><div class="big">${history.passes.length}</div><div class="muted">${counts(["removed"])} removed something, ${counts(["deferred"])} put off, ${counts(["quiet"])} with nothing to do${trouble > 0 ? html`, <span class="badt">${trouble} failed or left pressure</span>` : ""}</div></div>
</div>`;
}

function notes({ engine, plan, history, suspicions }: PageFacts): Content {
  const failures = [
    ...(engine.known ? [] : [`The engine could not be asked: ${engine.reason}`]),
    ...(engine.known && !plan.known ? [`What may be removed now is not known: ${plan.reason}`] : []),
    ...(history.unreadable === null
      ? []
      : [`History could not be read from ${history.source}: ${history.unreadable}`]),
    ...(history.skipped === null ? [] : [history.skipped]),
  ];
  return [
    failures.length > 0 &&
      html`<div class="note bad"><ul>${failures.map((text) => html`<li>${text}</li>`)}</ul></div>`,
    suspicions.length > 0 &&
      html`<div class="note"><strong>Settings to look at</strong><ul>${suspicions.map(({ setting, why }) => html`<li><code>${setting}</code>: ${why}</li>`)}</ul></div>`,
  ];
}

function curveSections({ history }: PageFacts, range: readonly [number, number]): Content {
  const { passes } = history;
  return curves(passes).map(
    (curve, index) => html`<section><h2>Disk usage of <bdi>${curve.path}</bdi></h2>
<p class="muted">As each pass measured it; the line breaks where passes are missing.</p>
${curveFigure(
  curve,
  passes.filter(({ filesystems }) => filesystems.some(({ path }) => path === curve.path)),
  range,
  `disk${index}`,
)}
${markLegend(curve, passes)}</section>`,
  );
}

function removedSection({ history }: PageFacts, range: readonly [number, number]): Markup {
  const { passes } = history;
  const sums = summarize(passes);
  const buckets = removedOverTime(passes, range[0], range[1]);
  const title = html`<h2>What was removed</h2>`;
  if (!passes.some((pass) => removedCount(pass) > 0))
    return html`<section>${title}<p>Nothing, in this time.</p></section>`;
  return html`<section>${title}
<p class="muted">Bytes by the engine's account; layers that images share count more than once.</p>
${removedFigure(buckets, range, "removed")}
${kindLegend(buckets)}
${table(
  "In all, by kind",
  ["kind.w", "objects.n", "bytes.n"],
  KINDS.map((kind) => [
    html`${KIND_WORDS[kind]}`,
    html`${sums.removed[kind]}`,
    html`${formatBytes(sums.removedBytes[kind])}`,
  ]),
)}</section>`;
}

function deferralSection(passes: readonly PastPass[]): Markup {
  const gates = deferralsByGate(passes);
  const title = html`<h2>Why passes were put off</h2>`;
  if (gates.length === 0) return html`<section>${title}<p>None was, in this time.</p></section>`;
  return html`<section>${title}${table(
    "By the gate that was not open; a pass below the watermark is not put off",
    ["gate.w", "passes.n", "last.w", "reasons.t"],
    gates.map(({ gate, count, last, reasons }) => [
      html`${GATE_WORDS[gate] ?? gate}`,
      html`${count}`,
      html`${formatMoment(last)}`,
      [
        ...reasons
          .slice(0, SHOWN_REASONS)
          .map(
            ({ reason, count: times }) =>
              html`<div><bdi>${reason}</bdi>${times > 1 && ` (${times} times)`}</div>`,
          ),
        reasons.length > SHOWN_REASONS &&
          html`<div class="muted">and ${reasons.length - SHOWN_REASONS} more reasons</div>`,
      ],
    ]),
  )}</section>`;
}

const GATE_WORDS: Readonly<Record<string, string>> = {
  "disk-pressure": "disk pressure",
  lock: "lock",
  "live-run": "live CI run",
  converging: "converging service",
};

function ruleSection({ history, plan }: PageFacts): Content {
  const now = new Map<string, RuleReport>(
    (plan.known ? plan.value.rules : []).map((rule) => [`${rule.list}/${rule.name}`, rule]),
  );
  const sums = new Map(rulesOverTime(history.passes).map((rule) => [rule.policy, rule]));
  const policies = [...new Set([...now.keys(), ...sums.keys()])].filter((policy) => {
    // What `snapshots commit` makes is a family of its own on every host; most have none.
    const count =
      (now.get(policy)?.matched ?? 0) + (sums.get(policy)?.matched ?? 0) + (sums.get(policy)?.removed ?? 0);
    return policy !== "retention/snapshots" || count > 0;
  });
  if (policies.length === 0) return null;
  return html`<section><h2>Rules</h2>${table(
    plan.known
      ? "What each names now, and what passes made of it"
      : "What each named in the last pass that went by it",
    ["rule.t", "named.n", "own bytes.n", "would go now.n", "removed.n", "failed.n"],
    policies.map((policy) => {
      const [current, past] = [now.get(policy), sums.get(policy)];
      const kept = current === undefined ? past?.keptBytes : current.keptBytes;
      const go = plan.known
        ? plan.value.plan.remove.filter((object) => object.policy === policy).length
        : null;
      return [
        html`<code>${policy}</code>`,
        html`${current?.matched ?? past?.matched ?? 0}`,
        html`${kept === null || kept === undefined ? "?" : formatBytes(kept)}`,
        html`${go === null || current === undefined ? "?" : go}`,
        html`${past?.removed ?? 0}`,
        html`${past?.failed ?? 0}`,
      ];
    }),
  )}</section>`;
}

const HOLDER_WORDS: Readonly<Record<Holder["what"], string>> = {
  images: "images",
  containers: "containers",
  volumes: "volumes",
  "build-cache": "build cache",
  "outside-docker": "not the engine's",
};

function survivorSection({ plan, named, holders }: PageFacts): Content {
  const stays = largest(
    [...(named.known ? named.value : []), ...(plan.known ? plan.value.plan.keep : [])],
    SHOWN_SURVIVORS,
  );
  const goes = plan.known ? plan.value.plan.remove : [];
  const most = holders.known ? Math.max(1, ...holders.value.map(({ bytes }) => bytes)) : 1;
  const unknown = [...new Set([plan, named, holders].flatMap((fact) => (fact.known ? [] : [fact.reason])))];
  return html`<section><h2>What stays, and why</h2>
${unknown.map((reason) => html`<p class="badt">Not known: ${reason}</p>`)}
${plan.known && html`<p>${goes.length === 0 ? "A pass would remove nothing now." : `A pass that may go on would remove ${goes.length === 1 ? "one object" : `${goes.length} objects`} now, ${formatBytes(goes.reduce((sum, { sizeBytes }) => sum + (sizeBytes ?? 0), 0))}.`}</p>`}
${
  holders.known &&
  table(
    "What holds the space on the engine's filesystem",
    ["holder.w", "bytes.n", "share.b", "what it is.t"],
    holders.value.map(({ what, bytes, count, note }) => [
      html`${HOLDER_WORDS[what]}${count !== null && ` (${count})`}`,
      html`${formatBytes(bytes)}`,
      barFigure((100 * bytes) / most, null, false, `${formatBytes(bytes)}`),
      html`${note}`,
    ]),
  )
}
${
  stays.length > 0 &&
  table(
    `The ${stays.length === 1 ? "largest object" : `${stays.length} largest objects`} that a pass leaves; layers that images share count more than once`,
    ["object.t", "size.n", "age.n", "why it stays.t"],
    stays.map((object) => [
      html`${KIND_ONE[object.kind]} <bdi>${object.names[0] ?? object.id.replace(/^sha256:/, "").slice(0, 12)}</bdi>`,
      html`${object.sizeBytes === null ? "?" : formatBytes(object.sizeBytes)}`,
      html`${object.ageSeconds === null ? "?" : formatDuration(object.ageSeconds)}`,
      html`<bdi>${object.reason}</bdi>`,
    ]),
  )
}</section>`;
}

const KIND_ONE = { container: "container", image: "image", "build-cache": "cache" } as const;

const MARK_CLASS: Readonly<Record<Mark, string>> = {
  removed: "goodt",
  deferred: "warnt",
  pressure: "badt",
  failed: "badt",
  quiet: "muted",
};

function passSection(passes: readonly PastPass[]): Content {
  const last = passes.slice(-SHOWN_PASSES).reverse();
  if (last.length === 0) return html`<section><h2>Last passes</h2><p>None is on record.</p></section>`;
  return html`<section><h2>Last passes</h2>${table(
    last.length < passes.length
      ? `The last ${last.length} of ${passes.length}, newest first`
      : "Newest first",
    ["pass.w", "outcome.w", "disk.n", "gained.n", "removed.n", "took.n", "reason.t"],
    last.map((pass) => {
      const count = removedCount(pass);
      return [
        html`<span class="num">${formatMoment(pass.startedAt)}</span>`,
        html`<span class="${MARK_CLASS[markOf(pass)]}">${pass.outcome}</span>`,
        diskWords(pass),
        count > 0 && html`<span class="num">${formatBytes(pass.freedBytes)}</span>`,
        count > 0 && html`${count}`,
        html`<span class="num">${formatDuration(pass.durationSeconds)}</span>`,
        saysMore(pass) && html`<bdi>${pass.reason}</bdi>`,
      ];
    }),
  )}</section>`;
}

function diskWords({ filesystems }: PastPass): Content {
  const startOf = (one: PastPass["filesystems"][number]) => one.before?.usedPercent ?? one.usedPercent;
  const [fullest] = [...filesystems].sort((a, b) => startOf(b) - startOf(a));
  if (fullest === undefined) return null;
  const start = startOf(fullest);
  return html`<span class="num">${start === fullest.usedPercent ? "" : `${start} → `}${fullest.usedPercent}%</span>`;
}

/**
 * The roles are said, since the phone's layout takes a table's own away.
 * @param head `"size.n"` is a column with the head "size" and the class n
 */
function table(caption: string, head: readonly string[], rows: readonly (readonly Content[])[]): Markup {
  const columns = head.map((text) => ({ name: text.slice(0, -2), kind: text.slice(-1) }));
  return html`<table role="table"><caption>${caption}</caption>
<thead role="rowgroup"><tr role="row">${columns.map(({ name, kind }) => html`<th class="${kind}" role="columnheader" scope="col">${name}</th>`)}</tr></thead>
<tbody role="rowgroup">
${rows.map(
  ([first, ...cells]) =>
    html`<tr role="row"><th class="${columns[0]?.kind}" role="rowheader" scope="row">${first}</th>${cells.map(
      (cell, index) => {
        const { name, kind } = columns[index + 1] ?? { name: "", kind: "t" };
        return html`<td class="${kind}" role="cell" data-label="${name}">${cell}</td>`;
      },
    )}</tr>
`,
)}</tbody></table>`;
}
