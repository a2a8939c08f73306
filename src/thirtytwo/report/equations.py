"""The report's formulas, as MathML for the page and as LaTeX for Markdown."""

from thirtytwo.report.blocks import Equation

__all__ = [
    "BEST_DISCRIMINATOR",
    "BETA_VAE",
    "CODE_GUIDANCE",
    "DDIM",
    "DDIM_SIGMA",
    "DECODER_GUIDANCE",
    "FORWARD",
    "FRECHET",
    "GUIDANCE",
    "KERNEL",
]


def _row(*parts: str) -> str:
    return f"<mrow>{''.join(parts)}</mrow>"


def _i(name: str) -> str:
    return f"<mi>{name}</mi>"


def _o(sign: str) -> str:
    return f"<mo>{sign}</mo>"


def _n(number: int) -> str:
    return f"<mn>{number}</mn>"


def _sub(base: str, below: str) -> str:
    return f"<msub>{base}{below}</msub>"


def _sup(base: str, above: str) -> str:
    return f"<msup>{base}{above}</msup>"


def _root(inside: str) -> str:
    return f"<msqrt>{inside}</msqrt>"


def _over(above: str, below: str) -> str:
    return f"<mfrac>{above}{below}</mfrac>"


def _sum(below: str) -> str:
    return f"<munder>{_o('∑')}{below}</munder>"


def _call(name: str, *arguments: str) -> str:
    return _row(_i(name), _o("("), _o(",").join(arguments), _o(")"))


def _show(*parts: str) -> str:
    return f'<math display="block">{"".join(parts)}</math>'


_MU_R, _MU_G, _COV_R, _COV_G = (_sub(_i(name), _i(of)) for name in "μΣ" for of in "rg")
_X, _Y, _Z = _i("x"), _i("y"), _i("z")
_XI, _XJ, _YI, _YJ = (_sub(_i(name), _i(of)) for name in "xy" for of in "ij")


def _bar(step: str) -> str:
    return _sub(f"<mover>{_i('α')}{_o('¯')}</mover>", _i(step))


def _hat(name: str) -> str:
    return f"<mover>{_i(name)}{_o('^')}</mover>"


FRECHET = Equation(
    _show(
        _i("FD"), _o("="), _sup(_row(_o("‖"), _MU_R, _o("−"), _MU_G, _o("‖")), _n(2)), _o("+"), _i("Tr"),
        _row(_o("("), _COV_R, _o("+"), _COV_G, _o("−"), _n(2),
             _sup(_row(_o("("), _COV_R, _COV_G, _o(")")), _row(_n(1), _o("/"), _n(2))), _o(")")),
    ),
    r"\mathrm{FD} = \lVert \mu_r - \mu_g \rVert^2 + \mathrm{Tr}\big(\Sigma_r + \Sigma_g "
    r"- 2 (\Sigma_r \Sigma_g)^{1/2}\big)",
)  # fmt: skip

_PAIRS = _row(_i("i"), _o("≠"), _i("j"))
KERNEL = Equation(
    _show(
        _i("KID"), _o("="), _over(_n(1), _row(_i("m"), _o("("), _i("m"), _o("−"), _n(1), _o(")"))), _sum(_PAIRS),
        _call("k", _XI, _XJ), _o("+"), _over(_n(1), _row(_i("n"), _o("("), _i("n"), _o("−"), _n(1), _o(")"))),
        _sum(_PAIRS), _call("k", _YI, _YJ), _o("−"), _over(_n(2), _row(_i("m"), _i("n"))),
        _sum(_row(_i("i"), _o(","), _i("j"))), _call("k", _XI, _YJ), _o(","), "<mspace width='1em'/>",
        _call("k", _X, _Y), _o("="),
        _sup(_row(_o("("), _over(_row(_X, _o("·"), _Y), _i("d")), _o("+"), _n(1), _o(")")), _n(3)),
    ),
    r"\mathrm{KID} = \frac{1}{m(m-1)} \sum_{i \ne j} k(x_i, x_j) + \frac{1}{n(n-1)} \sum_{i \ne j} k(y_i, y_j) "
    r"- \frac{2}{mn} \sum_{i,j} k(x_i, y_j), \quad k(x, y) = \Big(\frac{x \cdot y}{d} + 1\Big)^3",
)  # fmt: skip

BEST_DISCRIMINATOR = Equation(
    _show(
        _sup(_i("D"), _o("*")), _row(_o("("), _X, _o(")")), _o("="),
        _over(_call("p", _X), _row(_call("p", _X), _o("+"), _call("q", _X))),
    ),
    r"D^*(x) = \frac{p(x)}{p(x) + q(x)}",
)  # fmt: skip

BETA_VAE = Equation(
    _show(
        _i("L"), _o("="), _sup(_row(_o("‖"), _X, _o("−"), _hat("x"), _row(_o("("), _Z, _o(")")), _o("‖")), _n(2)),
        _o("+"), _i("β"), _i("KL"),
        _row(_o("("), _call("q", _row(_Z, _o("|"), _X)), _o("‖"), _call("p", _Z), _o(")")),
    ),
    r"L = \lVert x - \hat x(z) \rVert^2 + \beta\, \mathrm{KL}\big(q(z|x) \,\Vert\, p(z)\big)",
)  # fmt: skip

FORWARD = Equation(
    _show(
        _sub(_X, _i("t")), _o("="), _root(_bar("t")), _sub(_X, _n(0)), _o("+"),
        _root(_row(_n(1), _o("−"), _bar("t"))), _i("ε"),
    ),
    r"x_t = \sqrt{\bar\alpha_t}\, x_0 + \sqrt{1 - \bar\alpha_t}\, \varepsilon",
)  # fmt: skip

DDIM = Equation(
    _show(
        _sub(_X, _i("s")), _o("="), _root(_bar("s")), _sub(_hat("x"), _n(0)), _o("+"),
        _root(_row(_n(1), _o("−"), _bar("s"), _o("−"), _sup(_i("σ"), _n(2)))), _hat("ε"), _o("+"), _i("σ"), _Z,
    ),
    r"x_s = \sqrt{\bar\alpha_s}\, \hat x_0 + \sqrt{1 - \bar\alpha_s - \sigma^2}\, \hat\varepsilon + \sigma z",
)  # fmt: skip
DDIM_SIGMA = Equation(
    _show(
        _i("σ"), _o("="), _i("η"),
        _root(_row(_over(_row(_n(1), _o("−"), _bar("s")), _row(_n(1), _o("−"), _bar("t"))),
                   _row(_o("("), _n(1), _o("−"), _over(_bar("t"), _bar("s")), _o(")")))),
    ),
    r"\sigma = \eta \sqrt{\frac{1 - \bar\alpha_s}{1 - \bar\alpha_t} \Big(1 - \frac{\bar\alpha_t}{\bar\alpha_s}\Big)}",
)  # fmt: skip

_OWN, _NO_LABEL = (_row(_sub(_hat("x"), _n(0)), _o("("), _sub(_X, _i("t")), _o(","), y, _o(")")) for y in (_Y, _o("∅")))
GUIDANCE = Equation(
    _show(_sub(_hat("x"), _i("w")), _o("="), _OWN, _o("+"), _i("w"), _row(_o("("), _OWN, _o("−"), _NO_LABEL, _o(")"))),
    r"\hat x_w = \hat x_0(x_t, y) + w \big(\hat x_0(x_t, y) - \hat x_0(x_t, \varnothing)\big)",
)

_CLASS_CODES = _call("q", _row(_Z, _o("|"), _Y))
CODE_GUIDANCE = Equation(
    _show(
        _sub(_i("q"), _i("w")), _row(_o("("), _Z, _o("|"), _Y, _o(")")), _o("∝"),
        _over(_sup(_CLASS_CODES, _row(_n(1), _o("+"), _i("w"))), _sup(_call("q", _Z), _i("w"))),
    ),
    r"q_w(z|y) \propto \frac{q(z|y)^{1 + w}}{q(z)^w}",
)  # fmt: skip

_DECODED = _row(_hat("x"), _o("("), _Z, _o(","), _Y, _o(")"))
DECODER_GUIDANCE = Equation(
    _show(
        _sub(_hat("x"), _i("w")), _o("="), _DECODED, _o("+"), _i("w"),
        _row(_o("("), _DECODED, _o("−"), _over(_n(1), _i("K")), _sum(_i("k")),
             _row(_hat("x"), _o("("), _Z, _o(","), _i("k"), _o(")")), _o(")")),
    ),
    r"\hat x_w = \hat x(z, y) + w \Big(\hat x(z, y) - \frac{1}{K} \sum_k \hat x(z, k)\Big)",
)  # fmt: skip
