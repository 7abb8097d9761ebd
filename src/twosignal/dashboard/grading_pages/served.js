"use strict";
// The page's own script keeps grades in the browser; this one keeps them with the server as well, and submits them.
{
  const AFTER_CHANGE = 1000, AFTER_FAILURE = 5000;
  let timer = 0, isDirty = false, isBusy = false, isIn = false;

  async function ask(address, options) {
    const answer = await fetch(address, options);
    const told = await answer.json();
    if (answer.ok) return told;
    const facts = ["found", "expected"].filter((name) => told[name]).map((name) => `${name} ${told[name]}`).join("; ");
    throw new Error([told.error + (facts ? ` (${facts}).` : "."), told.remedy].join(" ").trim());
  }
  const post = (address) => {
    const body = file();
    return ask(address, { method: "POST", body, keepalive: body.length < 15000 });
  };
  function soon(milliseconds) {
    timer = timer || setTimeout(push, milliseconds);
  }
  async function push() {
    timer = 0;
    if (isBusy || isIn || !isDirty || !grader || !done()) return;
    isBusy = true;
    isDirty = false;
    try {
      await post("draft");
      isSaved = !isDirty;
      byId("kept").textContent = "Kept on the server.";
    } catch (error) {
      isDirty = true;
      byId("kept").textContent = `Not kept on the server yet: ${error.message}`;
    }
    isBusy = false;
    if (isDirty) soon(isSaved ? AFTER_CHANGE : AFTER_FAILURE);
  }
  server.kept = () => {
    isDirty = true;
    soon(AFTER_CHANGE);
  };
  server.submit = async () => {
    if (isBusy) {
      setTimeout(server.submit, 200);
      return;
    }
    isBusy = true;
    try {
      await post("submit");
      isIn = isSaved = true;
      localStorage.removeItem(store);
      thank();
    } catch (error) {
      byId("told").textContent = error.message;
    }
    isBusy = false;
  };
  function thank() {
    window.addEventListener("keydown", (event) => event.stopImmediatePropagation(), true);
    const thanks = document.createElement("p");
    thanks.setAttribute("role", "status");
    thanks.textContent = `Your ${total} grades are in. Thank you; you may close this page.`;
    document.body.replaceChildren(document.querySelector("h1"), thanks);
  }
  function take(told) {
    const isNew = !done();
    for (const { item, ...grade } of told.grades) {
      if (!grades[item] || !grades[item].score) grades[item] = grade;
    }
    grader = byId("grader").value = told.grader;
    byId("grader").readOnly = true;
    if (isNew) {
      first = startOf(grader);
      turn = Math.max(0, items.findIndex((_, at) => !grades[items[(first + at) % total].item]));
    }
    isSaved = true;
    show();
    if (done() > told.grades.length) keep();
  }
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) push();
  });
  ask("draft").then(take).catch((error) => {
    byId("told").textContent = `${error.message} Reload the page to go on.`;
  });
}
