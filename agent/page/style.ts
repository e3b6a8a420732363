/** The whole style of the page; colours keep 4.5:1 for text and 3:1 for shapes, on both grounds (axe in the tests). */
export const STYLE = `
:root{color-scheme:light dark;--bg:#f6f7f9;--card:#fff;--ink:#1b2430;--muted:#5a6675;--line:#dfe4ea;--grid:#e8ecf1;
--accent:#1667c4;--fill:#1667c41f;--bad:#c22a33;--warn:#965a00;--good:#1b7f4b;--image:#2f6fd0;--cache:#0d8a8a;--container:#b3620e;--untold:#6c7787}
@media (prefers-color-scheme:dark){:root{--bg:#10151c;--card:#182029;--ink:#e4e9f0;--muted:#9aa7b6;--line:#2a3541;--grid:#242e39;
--accent:#62a8f7;--fill:#62a8f726;--bad:#ff7b7f;--warn:#e3ab4a;--good:#52c98c;--image:#6fa8f5;--cache:#3fbfbf;--container:#e59a4c;--untold:#93a0b0}}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans","DejaVu Sans",sans-serif;overflow-wrap:anywhere}
main,header,footer{max-width:62rem;margin:0 auto;padding:0 1rem}
header{padding-top:1.6rem}
h1{font-size:1.5rem;line-height:1.25;margin:0}
h2{font-size:1.1rem;margin:0 0 .2rem}
p{margin:.3rem 0}
.muted{color:var(--muted)}
.num{white-space:nowrap;font-variant-numeric:tabular-nums}
section{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:1rem 1.1rem;margin:1rem 0}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(15rem,100%),1fr));gap:.8rem;margin:1rem 0}
.tile{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:.8rem 1rem}
.tile .big{font-size:1.9rem;line-height:1.2;font-weight:650;font-variant-numeric:tabular-nums}
.over .big,.badt{color:var(--bad)}
.warnt{color:var(--warn)}
.goodt{color:var(--good)}
.note{border-left:4px solid var(--warn);padding:.5rem .8rem;background:var(--card);border-radius:4px;margin:1rem 0}
.note.bad{border-color:var(--bad)}
.note ul{margin:.2rem 0;padding-left:1.1rem}
svg{display:block;width:100%;overflow:visible}
svg text{font-size:12px;fill:var(--muted)}
.plot{display:grid;grid-template-columns:2.9rem 1fr;margin:.9rem 0 .4rem}.plot.wide{grid-template-columns:4.6rem 1fr}
.gridline{stroke:var(--grid)}
.axis{stroke:var(--line)}
.curve{fill:none;stroke:var(--accent);stroke-width:2;vector-effect:non-scaling-stroke;stroke-linejoin:round}
.area{fill:var(--fill)}
.dot{fill:var(--accent)}
.high{fill:none;stroke:var(--bad);stroke-width:1.5;stroke-dasharray:6 4;vector-effect:non-scaling-stroke}
.low{fill:none;stroke:var(--muted);stroke-width:1.5;stroke-dasharray:2 4;vector-effect:non-scaling-stroke}
.m-removed{fill:var(--good)}.m-deferred{fill:var(--card);stroke:var(--warn);stroke-width:2}.m-pressure,.m-failed{fill:none;stroke:var(--bad);stroke-width:2.4}.m-pressure{fill:var(--bad);stroke:none}.m-quiet{fill:var(--muted)}
.k-image{fill:var(--image)}.k-build-cache{fill:var(--cache)}.k-container{fill:var(--container)}.k-untold{fill:var(--untold)}
.bar-back{fill:var(--grid)}.bar-full{fill:var(--accent)}.bar-over{fill:var(--bad)}.bar-mark{fill:var(--ink)}
.legend{list-style:none;display:flex;flex-wrap:wrap;gap:.2rem 1.1rem;margin:.5rem 0 0;padding:0;font-size:.85rem;color:var(--muted)}
.legend li{display:flex;align-items:center;gap:.4rem}
.legend svg{width:14px;height:14px;flex:none}.legend svg.dash{width:24px}
.tile svg{margin:.35rem 0 .45rem}
table{width:100%;border-collapse:collapse;font-size:.9rem;margin-top:.6rem}
caption{text-align:left;color:var(--muted);padding-bottom:.3rem}
th,td{text-align:left;vertical-align:top;padding:.35rem .9rem .35rem 0;border-top:1px solid var(--line);overflow-wrap:normal}
th:last-child,td:last-child{padding-right:0}
thead th{border-top:0;font-weight:600;color:var(--muted);font-size:.82rem;white-space:nowrap}
tbody th{font-weight:600}
.n{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}
.w{white-space:nowrap}
.t{overflow-wrap:anywhere;min-width:9rem}
.b{min-width:6rem;width:22%}.b svg{margin-top:.35rem}
code{font-family:ui-monospace,"SF Mono",Menlo,Consolas,"DejaVu Sans Mono",monospace;font-size:.92em}
footer{padding:.5rem 1rem 2rem;font-size:.85rem;color:var(--muted)}
@media (max-width:40rem){
main,header,footer{padding-left:.7rem;padding-right:.7rem}
section{padding:.8rem .8rem}
table,thead,tbody,tr,tbody th,caption{display:block}
thead{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
tr{border-top:1px solid var(--line);padding:.45rem 0}
tbody th,td{border:0;padding:0}
td{display:inline-block;margin-right:.9rem}
td.t,td.b{display:block;min-width:0;width:auto;margin:0}
.n{text-align:left}
td[data-label]:not(.t,.b)::before{content:attr(data-label) " ";color:var(--muted)}
td:empty{display:none}
}
@media print{body{background:#fff}section,.tile{break-inside:avoid}}
`;
