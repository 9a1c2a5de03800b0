// In Locust's own page: a link to the live page above the table of the tab "Voice".

const here = document.createElement("p");
const link = document.createElement("a");
link.href = "./voice/";
link.textContent = "Live page: charts over time, criteria, workers, the latest failures";
link.style.color = "inherit";
here.style.margin = "0 0 12px";
here.append(link);

function place() {
  const tab = document.querySelector('[role="tab"][aria-selected="true"]');
  const shown = tab && tab.textContent.trim().toLowerCase() === "voice";
  const table = shown ? document.querySelector("main .MuiTableContainer-root") : null;
  if (!table) here.remove();
  else if (here.nextSibling !== table) table.before(here);
}

new MutationObserver(place).observe(document.getElementById("root"), { childList: true, subtree: true });
place();
