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
  const button = form.querySelector("button");
  button.disabled = true;
  const who = { name: form.elements.name.value, password: form.elements.password.value };
  const found = await problemOf(setUp ? { token: setUp, ...who } : who);
  button.disabled = false;
  if (found === null) {
    location.assign("/docs");
  } else {
    problem.textContent = found;
  }
});

// Sends the document; returns what went wrong, null if nothing did.
async function problemOf(document) {
  let response;
  try {
    response = await fetch(setUp ? "/api/auth/set-up" : "/api/auth/sign-in", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(document),
    });
  } catch {
    return "The server cannot be reached. Try again.";
  }
  if (response.ok) return null;
  const answer = await response.json().catch(() => null);
  return answer?.detail ?? `The server answered with status ${response.status}. Try again.`;
}
