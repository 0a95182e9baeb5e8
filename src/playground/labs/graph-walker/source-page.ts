/** A page that shows a source file, with an anchor for each line. It goes with the lab, so that its links lead somewhere on any host. */

import type { Source } from "./op-facts.ts";

/** The name of the page of a file. */
export const sourcePage = (path: string): string => `${path.replaceAll("/", "-")}.html`;

const escaped = (text: string): string => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

/** The page of a file. It lies two folders below the playground. */
export function formatSourcePage({ path, text }: Source): string {
  const lines = text.trimEnd().split("\n");
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8" />
<meta name="viewport" content="width=device-width, initial-scale=1" />
<meta name="color-scheme" content="light dark" />
<title>${escaped(path)} – separable</title>
<link rel="icon" href="../../icon.svg" />
<link rel="stylesheet" href="source.css" />
</head>
<body>
<main>
<h1>${escaped(path)}</h1>
<p><a href="../graph-walker.html">Graph walker</a></p>
<pre tabindex="0" aria-label="Source">${lines.map((line, i) => `<span id="L${i + 1}">${escaped(line)}</span>`).join("\n")}</pre>
</main>
</body>
</html>
`;
}
