"""How EDMs and consistency models work, in words and equations."""

from thirtytwo.report.blocks import Block, Equation, Text
from thirtytwo.report.results import Results
from thirtytwo.report.wording import begun_with

__all__ = ["explained"]

PRECONDITIONER = Equation(
    r"D(x; \sigma) = c_\mathrm{skip}\, x + c_\mathrm{out}\, F\big(c_\mathrm{in}\, x; \tfrac{1}{4} \ln \sigma\big), \quad"
    r"c_\mathrm{skip} = \frac{\sigma_d^2}{\sigma^2 + \sigma_d^2}, \quad"
    r"c_\mathrm{out} = \frac{\sigma\, \sigma_d}{\sqrt{\sigma^2 + \sigma_d^2}}, \quad"
    r"c_\mathrm{in} = \frac{1}{\sqrt{\sigma^2 + \sigma_d^2}}"
)
LOSS = Equation(
    r"L = \frac{1}{c_\mathrm{out}^2} \lVert D(x_0 + \sigma \varepsilon; \sigma) - x_0 \rVert^2, \quad"
    r"\frac{dx}{d\sigma} = \frac{x - D(x; \sigma)}{\sigma}"
)
LEVELS = Equation(
    r"\sigma_i = \left(\sigma_\mathrm{max}^{1/7} + \frac{i}{N - 1} \big(\sigma_\mathrm{min}^{1/7} -"
    r"\sigma_\mathrm{max}^{1/7}\big)\right)^7"
)
PAIRS = Equation(
    r"L = w(t, r)\, d\big(D(x_0 + t \varepsilon; t),\, D(x_0 + r \varepsilon; r)\big), \quad"
    r"\frac{r}{t} = \max\left(0,\, 1 - \frac{1}{q^a} \left(1 + \frac{8}{1 + e^t}\right)\right)"
)
GUIDANCE = Equation(r"D_w = D(x; \sigma, y) + w \big(D(x; \sigma, y) - D(x; \sigma, \varnothing)\big)")


def explained(results: Results) -> list[Block]:
    """EDM, consistency tuning where a run is tuned, and guidance; nothing if no run is an EDM."""
    runs = [run for run in results.runs if run.family == "edm"]
    if not runs:
        return []
    blocks: list[Block] = [
        Text(
            "EDM. A network in a preconditioner predicts the image x_0 from x = x_0 + σ ε (Karras et al. 2022, eq. 7 and table "
            "1, with σ_d for the standard deviation of the data):"
        ),
        PRECONDITIONER,
        Text("Its loss has equal weight at every σ as training begins (eq. 8), and samples follow its slope (eq. 1):"),
        LOSS,
        Text("from σ_max = 80 over N levels, the last of which is σ_min = 0.002, to 0 (eq. 5):"),
        LEVELS,
    ]
    if any(run.model.get("prediction") == "x0" for run in runs):
        blocks.append(Text("Where `prediction` is x0, the network returns D itself, and its errors have the weight 1."))
    tuned = [run for run in runs if run.model.get("objective") == "consistency"]
    if tuned:
        text = (
            "A consistency model predicts the end of that path in place of the mean image. Tuning compares two noise levels of "
            "one image and one noise ε, of which only the noisier one has a gradient, by a distance d "
            "with weight w, 1 / (t - r) or that of the loss above at t (Geng et al. 2024):"
        )
        end = (
            "In stage a = 0 all r are 0, where D is the image itself, as in the loss above; stage by stage r draws near t. The "
            "model is sampled without guidance, whose rule is for mean images."
        )
        blocks += [Text(text), PAIRS, Text(end)]
        if text := begun_with(results, tuned):
            blocks.append(Text(text))
    if any(run.sampling.get("guidance") for run in runs):
        text = "Guidance of strength w towards label y (Ho & Salimans 2022, eq. 6, for predicted images); ∅ means no label:"
        blocks += [Text(text), GUIDANCE]
    return blocks
