/**
 * The script of the page. It sorts a table by the column whose heading a reader clicks. Without scripts the page shows everything else: the
 * switch of the cost axis and the highlights are style sheets.
 */

export const pageScript = `
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells];
  const key = (row, column) => {
    const cell = row.cells[column];
    return cell.dataset.value === undefined ? cell.textContent : Number(cell.dataset.value);
  };
  heads.forEach((head, column) => {
    head.querySelector("button").addEventListener("click", () => {
      const descending = head.getAttribute("aria-sort") === "ascending";
      const body = table.tBodies[0];
      const order = (a, b) => {
        const [x, y] = [key(a, column), key(b, column)];
        return typeof x === "number" ? (x === y ? 0 : x - y) : x.localeCompare(y, "en", { numeric: true });
      };
      const rows = [...body.rows].sort(order);
      body.append(...(descending ? rows.reverse() : rows));
      for (const other of heads) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", descending ? "descending" : "ascending");
    });
  });
}
`;
