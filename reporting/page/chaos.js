// The form with which somebody breaks something by hand.

const by = (id) => document.getElementById(id);
const COMMAND = "command ";
let offered = "[]";

/** Shows the fields that go with what is chosen. */
function suit() {
  const chosen = by("chaos-do").value;
  by("chaos-share").parentElement.hidden = by("chaos-share").disabled = chosen.startsWith(COMMAND);
  by("chaos-for").hidden = by("chaos-for-s").disabled = chosen !== "stall";
  by("chaos-kind").hidden = chosen !== "garbage";
}

/** Offers the form while a run goes on, with the commands that its scenario may run. */
export function showChaos({ run, chaos }) {
  by("chaos-form").hidden = !run.under_way;
  const text = JSON.stringify(chaos.commands);
  if (text === offered) return;
  offered = text;
  const choice = by("chaos-do");
  for (const option of [...choice.options]) if (option.value.startsWith(COMMAND)) option.remove();
  for (const command of chaos.commands) choice.add(new Option(`run ${command.text}`, COMMAND + command.number));
  suit();
}

function asked() {
  const chosen = by("chaos-do").value;
  if (chosen.startsWith(COMMAND)) return { number: Number(chosen.slice(COMMAND.length)) };
  const action = { do: chosen, share: Number(by("chaos-share").value) / 100 };
  if (chosen === "stall") action.for_s = Number(by("chaos-for-s").value);
  if (chosen === "garbage") action.kind = by("chaos-kinds").value;
  return action;
}

async function act(event) {
  event.preventDefault();
  const button = by("chaos-form").querySelector("button"), told = by("chaos-told");
  button.disabled = true;
  told.value = "";
  try {
    const reply = await fetch("chaos", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(asked()), redirect: "manual" });
    told.value = reply.type === "opaqueredirect" ? "Your login has ended: open Locust's page and log in again." : reply.ok ? "Done." : await reply.text();
  } catch {
    told.value = "The load tester cannot be reached.";
  }
  button.disabled = false;
}

by("chaos-do").addEventListener("change", suit);
by("chaos-form").addEventListener("submit", act);
suit();
