// Two conveniences. Every page works without this file.
"use strict";

// A SAML message goes to the identity provider by a form; its button stays for browsers without script.
for (const form of document.querySelectorAll("form[data-auto-submit]")) form.submit();

// Copy buttons appear only where they can work.
if (navigator.clipboard) {
  const said = document.getElementById("said");
  for (const button of document.querySelectorAll("button.copy")) {
    const label = button.innerHTML;
    button.hidden = false;
    button.addEventListener("click", async () => {
      const from = button.dataset.copyFrom;
      await navigator.clipboard.writeText(from ? document.getElementById(from).textContent : button.dataset.copy);
      button.textContent = "Copied";
      said.textContent = "Copied";
      setTimeout(() => { button.innerHTML = label; said.textContent = ""; }, 2000);
    });
  }
}
