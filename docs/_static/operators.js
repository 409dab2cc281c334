// The operators' table: rows that hold every word of the search are shown; a click on a column's head sorts by it.
document.addEventListener("DOMContentLoaded", () => {
  const table = document.getElementById("operators-table");
  if (!table) return;
  const search = document.getElementById("operators-search");
  const count = document.getElementById("operators-count");
  const body = table.tBodies[0];
  const rows = [...body.rows];
  const show = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const row of rows) {
      const text = row.textContent.toLowerCase();
      row.hidden = !words.every((word) => text.includes(word));
      shown += row.hidden ? 0 : 1;
    }
    count.textContent = `${shown} of ${rows.length}`;
  };
  search.addEventListener("input", show);
  [...table.tHead.rows[0].cells].forEach((head, column) => {
    let order = -1;
    head.addEventListener("click", () => {
      order = -order;
      rows.sort((a, b) => order * a.cells[column].textContent.localeCompare(b.cells[column].textContent));
      body.append(...rows);
    });
  });
  search.value = new URLSearchParams(location.search).get("q") ?? "";
  show();
});
