"""The look of a report page: light and dark, on paper, and on a screen of 320 points."""

from typing import Final

#: Colours of text have a contrast of 4.5 and more, those of bars of 3 and more, against what they stand on (WCAG 2.2 AA).
STYLE: Final = """
:root {
  color-scheme: light dark;
  --page: #ffffff; --text: #1b2330; --soft: #4a5568; --line: #c3cad5; --ground: #eef1f5; --link: #0b4fa8; --note: #fff6e0;
  --note-line: #9a6700; --reach: #1f6fb2; --fall: #b3431e;
  --w0: #1f6fb2; --w1: #b3431e; --w2: #2c7a4b; --w3: #7a4fb5; --w4: #8a6100; --w5: #b0307a; --w6: #4d5d73;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #12161d; --text: #e8ecf2; --soft: #b4bfce; --line: #46505f; --ground: #222935; --link: #8ec1ff; --note: #2c2616;
    --note-line: #d9a441; --reach: #5aa5e6; --fall: #f08a62;
    --w0: #5aa5e6; --w1: #f08a62; --w2: #62c08a; --w3: #b795ee; --w4: #d9a441; --w5: #ee84bd; --w6: #9fb0c6;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body {
  margin: 0 auto; padding: 1.5rem 1rem 4rem; max-width: 76rem; background: var(--page); color: var(--text);
  font: 1rem/1.5 system-ui, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; overflow-wrap: break-word;
}
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 .25rem; }
h2 { font-size: 1.35rem; line-height: 1.25; margin: 3rem 0 .5rem; padding-top: 1rem; border-top: 2px solid var(--line); }
h3 { font-size: 1.1rem; margin: 2.25rem 0 .25rem; }
p { margin: .4rem 0; max-width: 46rem; }
a { color: var(--link); }
:focus-visible { outline: 3px solid var(--link); outline-offset: 2px; }
.skip { position: absolute; left: -99rem; }
.skip:focus { left: 1rem; top: .5rem; background: var(--page); padding: .5rem; z-index: 2; }
.soft { color: var(--soft); }
.note { background: var(--note); border-left: 4px solid var(--note-line); padding: .6rem .9rem; margin: 1rem 0; }
.note { max-width: 46rem; }
nav ul, .waits { padding-left: 1.2rem; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(8.5rem, 1fr)); gap: .75rem; margin: 1rem 0; padding: 0; }
.figures > div { border: 1px solid var(--line); border-radius: .4rem; padding: .6rem .8rem; }
.figures dt { color: var(--soft); font-size: .9rem; font-weight: 400; margin: 0; }
.figures dd { margin: 0; font-size: 1.45rem; font-weight: 650; font-variant-numeric: tabular-nums; }
.beside { display: grid; gap: 1rem 2.5rem; }
@media (min-width: 62rem) { .beside { grid-template-columns: minmax(0, 2fr) minmax(0, 3fr); align-items: start; } }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .94rem; }
caption { text-align: left; color: var(--soft); padding: .3rem 0; font-size: .9rem; }
th, td { text-align: left; vertical-align: top; padding: .4rem .6rem .4rem 0; border-bottom: 1px solid var(--line); }
th { font-weight: 500; }
thead th { vertical-align: bottom; font-weight: 600; }
thead th { border-bottom: 2px solid var(--line); color: var(--soft); font-size: .85rem; }
.n { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; padding-right: .2rem; padding-left: .6rem; }
.id { font-weight: 650; margin-right: .4rem; white-space: nowrap; }
.why { padding-left: 1.4rem; min-width: 11rem; font-size: .88rem; }
details { margin-top: 2rem; }
summary { color: var(--link); cursor: pointer; width: fit-content; padding: .2rem 0; }
dt { font-weight: 600; margin-top: .9rem; }
details dd { margin: 0; color: var(--soft); font-size: .9rem; }
details blockquote { color: var(--text); }
blockquote { margin: .3rem 0; padding-left: .7rem; border-left: 3px solid var(--line); white-space: pre-line; font-size: .9rem; }
svg.bars { display: block; margin: .5rem 0; overflow: visible; }
svg text { fill: var(--text); font-size: 13px; font-variant-numeric: tabular-nums; }
svg .label { font-weight: 650; }
svg rect { stroke: var(--page); stroke-width: 1; }
svg .ground { fill: var(--ground); }
svg .reach { fill: var(--reach); }
svg .fall { fill: var(--fall); }
svg .w0 { fill: var(--w0); } svg .w1 { fill: var(--w1); } svg .w2 { fill: var(--w2); } svg .w3 { fill: var(--w3); }
svg .w4 { fill: var(--w4); } svg .w5 { fill: var(--w5); } svg .w6 { fill: var(--w6); }
.legend { display: flex; flex-wrap: wrap; gap: .2rem 1rem; list-style: none; padding: 0; margin: .5rem 0; font-size: .88rem; }
.swatch { vertical-align: -2px; margin-right: .35rem; }
@media (max-width: 40rem) {
  body { padding: 1rem .75rem 3rem; }
  h1 { font-size: 1.4rem; } h2 { font-size: 1.2rem; }
  table { font-size: .86rem; } th, td { padding-right: .3rem; } .n { padding-left: .3rem; }
  .why { padding-left: .5rem; min-width: 0; width: 38%; }
  .beside table { table-layout: fixed; }
  .beside th { hyphens: auto; }
  .beside .n { width: 4.6rem; white-space: normal; } .beside table:has(.why) .n { width: 4.2rem; }
  .beside .id { display: block; }
}
@page { margin: 14mm; }
@media print {
  :root { --page: #fff; --text: #000; --soft: #333; --line: #999; --ground: #eee; }
  body { max-width: none; padding: 0; font-size: 9.5pt; }
  nav, .skip { display: none; }
  svg rect { -webkit-print-color-adjust: exact; print-color-adjust: exact; }
  section + section h2, .pictured { break-before: page; }
  h2, .pictured { margin-top: 1rem; }
  h3 { break-after: avoid; } tr, .figures, .note { break-inside: avoid; }
  .scroll { overflow: visible; }
  .beside { grid-template-columns: minmax(0, 2fr) minmax(0, 3fr); align-items: start; }
  svg.bars { zoom: .75; }
}
""".strip()
