/** The HTML pages of the playground and its labs, from one template. */

/** @typedef {{ name: string, title: string, description: string, heading: string, style?: boolean }} Page */

/** The labs, in the order of the navigation. `style` says that a lab has a style sheet beside page.css. */
export const labs = /** @type {readonly Page[]} */ ([
  {
    name: "structure-lens",
    title: "Structure lens",
    description: "See a matrix beside its nearest structured matrix, the factors, the error, and the time on your machine.",
    heading: `<h1>Structure lens</h1>
      <p class="lead">
        A structured layer stands for a whole matrix with few numbers. Choose a matrix or a layer of a trained network, and a structure.
        See what is kept, what it costs, and how long it takes on this machine.
      </p>`,
  },
  {
    name: "break-gradient",
    title: "Break the gradient",
    description: "Edit a vector–Jacobian product, and watch finite differences and a shrinking counterexample judge it.",
    heading: `<h1>Break the gradient</h1>
      <p class="lead">
        A vector–Jacobian product is right if it agrees with finite differences on every input. Break one, and see how a property finds
        an input that shows it, and makes that input as small as it can be.
      </p>`,
  },
  {
    name: "graph-walker",
    title: "Graph walker",
    description: "Step forwards and backwards through the graph that the library recorded.",
    style: true,
    heading: `<h1>Walk a graph <em class="a">forwards</em> and <em class="g">backwards</em></h1>
      <p class="lead">
        The library computed this graph in your browser and recorded it. Every value and every cotangent is one that it computed.
        Step with the arrow keys, or choose a node.
      </p>`,
  },
  {
    name: "contraction",
    title: "Contraction",
    description: "See an einsum equation as a tensor network, and step through the order in which it is contracted.",
    style: true,
    heading: `<h1>An einsum as a <em class="a">network</em></h1>
      <p class="lead">
        The result does not depend on the order in which operands are contracted, and the cost does. Step through the order that the
        library chooses, and compare others.
      </p>`,
  },
]);

const playground = {
  name: "main",
  title: "Playground",
  description: "Train a dense and a structured network side by side, in your browser.",
  heading: `<div class="heading">
        <div>
          <h1>Train a network twice: <em class="a">dense</em> and <em class="b">structured</em></h1>
          <p class="lead">Both runs see the same images in the same order. This library computes everything in your browser.</p>
        </div>
        <div id="along"></div>
      </div>`,
};

/** A link of the navigation. */
const link = (address, { title }, isCurrent) => `<a href="${address}"${isCurrent ? ' aria-current="page"' : ""}>${title}</a>`;

/**
 * The text of a page. Its script has the page's name.
 * @param {Page} page
 * @param {string} top The address of the playground's folder, as the page sees it.
 * @param {string} site The address that the mark leads to, from the playground's folder.
 */
function html(page, top, site) {
  const toLabs = page === playground ? "labs/" : "";
  const links = [link(top, playground, page === playground), ...labs.map((lab) => link(`${toLabs}${lab.name}.html`, lab, lab === page))];
  return `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <meta name="viewport" content="width=device-width, initial-scale=1" />
    <meta name="color-scheme" content="light dark" />
    <meta name="description" content="${page.description}" />
    <title>${page.title} – separable</title>
    <link rel="icon" href="${top}icon.svg" />
    <link rel="stylesheet" href="${top}page.css" />
${page.style === true ? `    <link rel="stylesheet" href="${page.name}.css" />\n` : ""}    <script type="module" src="${page.name}.js"></script>
  </head>
  <body>
    <header class="site">
      <a class="brand" href="${top}${site.replace(/^\.\//, "")}"><img src="${top}icon.svg" alt="" width="22" height="22" />separable</a>
      <nav aria-label="Pages">
        ${links.join("\n        ")}
      </nav>
      <button id="theme" type="button" class="quiet icon" aria-label="Light or dark">◐</button>
    </header>
    <main>
      ${page.heading}
      <div id="app"><p class="soft">Loading…</p></div>
      <noscript><p>This page is a program: it needs JavaScript.</p></noscript>
    </main>
  </body>
</html>
`;
}

/**
 * The text of every page by its path in the folder of the playground.
 * @param {string} site The address that the mark of each page leads to, from the playground's folder.
 */
export const pages = (site) =>
  new Map([["index.html", html(playground, "./", site)], ...labs.map((lab) => [`labs/${lab.name}.html`, html(lab, "../", site)])]);
