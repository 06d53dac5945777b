// Tables as CSV, for spreadsheets.

// csv writes a table. A ' stands before what a spreadsheet would take for a formula, and
// run; numbers and yes or no are no texts.
export const csv = (columns, rows) => [columns, ...rows].map((row) => `${row.map(cell).join(",")}\r\n`).join("");

function cell(value) {
  let text = String(value ?? "");
  if (typeof value === "string" && /^\s*[=+\-@\t\r]/.test(text)) text = `'${text}`;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
