"use strict";
// The token stands behind the #: browsers send that to nobody, and neither logs nor link previews ever see it.
async function enter() {
  const answer = await fetch("enter", { method: "POST", body: location.hash.slice(1) });
  if (answer.ok) {
    location.replace(location.pathname);
    return;
  }
  const told = await answer.json();
  document.getElementById("told").textContent = `${told.error[0].toUpperCase()}${told.error.slice(1)}. ${told.remedy}`;
}
enter().catch(() => {
  document.getElementById("told").textContent = "The server does not answer. Try again later.";
});
