/** The style sheet of the page, for light and dark colour schemes, wide screens, phones and paper. */

export const pageStyle = `
:root{color-scheme:light dark;--ink:#1f2328;--soft:#59636e;--line:#d1d9e0;--paper:#fff;--shade:#f6f8fa}
@media (prefers-color-scheme:dark){:root{--ink:#e6edf3;--soft:#9198a1;--line:#3d444d;--paper:#0d1117;--shade:#151b23}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.5 Inter,system-ui,sans-serif}
main{max-width:66rem;margin:0 auto;padding:1.5rem 1rem 4rem}
h1{font-size:1.7rem;line-height:1.2;margin:0 0 .5rem}
h2{font-size:1.2rem;margin:2.2rem 0 .6rem}
.lead{font-size:1.05rem;margin:0}
figure{margin:1rem 0}
figure svg{display:block;width:100%;height:auto}
.narrow{display:none}
.point:hover polygon,.point:hover circle{stroke:var(--ink)}
svg:has(.run:hover) .run:not(:hover),svg:has(.point:hover) .point:not(:hover){opacity:.25}
.run:hover .curve{stroke-width:3}
.switch{display:flex;flex-wrap:wrap;gap:.3rem 1rem;border:0;padding:0;margin:.8rem 0 0}
.switch legend{float:left;padding:0;font-weight:600}
.switch label{display:flex;gap:.3rem;align-items:center;cursor:pointer}
.chart:has([value=parameters]:checked) figure:not([data-cost=parameters]),
.chart:has([value=paperMultAdds]:checked) figure:not([data-cost=paperMultAdds]),
.chart:has([value=multAdds]:checked) figure:not([data-cost=multAdds]),
.chart:has([value=milliseconds]:checked) figure:not([data-cost=milliseconds]){display:none}
figcaption{color:var(--soft);font-size:.85rem}
figure svg .ink{fill:var(--ink)}figure svg .soft{fill:var(--soft)}figure svg .paper{fill:var(--paper)}
figure svg .grid{stroke:var(--line)}figure svg .axis,figure svg .leader{stroke:var(--soft)}figure svg .front{stroke:var(--ink)}
.scroll{overflow-x:auto}
table{border-collapse:collapse;font-size:.88rem;font-variant-numeric:tabular-nums}
th,td{padding:.28rem .45rem;text-align:right;border-bottom:1px solid var(--line);white-space:nowrap}
thead button{all:unset;cursor:pointer}thead button:focus-visible{outline:2px solid var(--ink)}
[aria-sort=ascending] button::after{content:" ↑"}[aria-sort=descending] button::after{content:" ↓"}
thead th{color:var(--soft);font-weight:600;vertical-align:bottom;white-space:normal}
tbody th,thead th:first-child,.word{text-align:left}
tbody th{font-weight:600}
tbody tr:hover{background:var(--shade)}
caption{caption-side:bottom;text-align:left;color:var(--soft);padding-top:.4rem}
.heat td,.heat th{padding:.2rem .4rem;border:0;text-align:center;min-width:2.1rem}
.heat tbody th{text-align:left}
.heat thead th{vertical-align:bottom}
.heat thead span{writing-mode:vertical-rl;transform:rotate(180deg);white-space:nowrap;font-weight:400}
.heat td.right{color:var(--soft)}
.legend{display:flex;flex-wrap:wrap;gap:.2rem 1rem;list-style:none;margin:0;padding:0;font-size:.88rem}
.legend li{display:flex;align-items:center;gap:.35rem}
details{border-top:1px solid var(--line);padding:.5rem 0}
summary{cursor:pointer;font-weight:600}
.pictures{display:flex;flex-wrap:wrap;gap:.6rem;align-items:flex-start;padding-top:.5rem}
.pictures figure{margin:0;max-width:14rem}
.pictures .image{flex-basis:auto;margin-left:0}
.pictures img{display:block;image-rendering:pixelated;border-radius:3px}
@media (max-width:40rem){main{padding:1rem .75rem 3rem}.legend{font-size:.8rem}.wide{display:none}.narrow{display:block}}
@media print{.switch{display:none}.chart figure{display:block!important}details{display:block}details>*{display:block}h2{break-after:avoid}figure,table{break-inside:avoid}}
`;
