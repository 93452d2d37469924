// Signs in or, with the token of a set-up link in the fragment, creates the first administrator.
"use strict";

const setUp = /^#set-up=([\w-]+)$/.exec(location.hash)?.[1];
const form = document.getElementById("form");
const problem = document.getElementById("problem");

if (setUp) {
  document.getElementById("set-up").hidden = false;
  history.replaceState(null, "", location.pathname);
}
form.elements.password.autocomplete = setUp ? "new-password" : "current-password";

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  problem.textContent = "";
  const who = { name: form.elements.name.value, password: form.elements.password.value };
  const response = await fetch(setUp ? "/api/auth/set-up" : "/api/auth/sign-in", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(setUp ? { token: setUp, ...who } : who),
  });
  if (response.ok) {
    location.assign("/docs");
  } else {
    problem.textContent = (await response.json()).detail;
  }
});
