"use strict";
(function () {
  var form = document.getElementById("filter");
  var words = document.getElementById("words");
  var shown = document.getElementById("shown");
  var boxes = Array.from(document.querySelectorAll("#actions input"));
  var rows = Array.from(document.querySelectorAll("tr.row"), function (row) {
    return { row: row, text: row.textContent.toLowerCase(), action: row.closest("[data-action]").dataset.action };
  });
  var holders = Array.from(document.querySelectorAll("[data-action], details.group"));

  function apply() {
    var wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean);
    var actions = new Set(boxes.filter(function (box) { return box.checked; }).map(function (box) { return box.value; }));
    var number = 0;
    rows.forEach(function (entry) {
      var show = actions.has(entry.action) && wanted.every(function (word) { return entry.text.includes(word); });
      entry.row.hidden = !show;
      number += show ? 1 : 0;
    });
    holders.forEach(function (holder) { holder.hidden = !holder.querySelector("tr.row:not([hidden])"); });
    shown.textContent = number === rows.length ? "" : number + " of " + rows.length + " rows";
  }

  form.addEventListener("submit", function (event) { event.preventDefault(); });
  form.addEventListener("input", apply);
  form.hidden = rows.length === 0;
  apply();
})();
