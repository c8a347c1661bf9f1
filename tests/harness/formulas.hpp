/* One unit of every cell, forwards and backwards, in double: the formulas of fastrnn/cells, nothing else.
 *
 * A result that is NONE is not written.  Cells without peepholes see zeros in their place.
 */
namespace {

const double NONE = std::numeric_limits<double>::quiet_NaN();
enum { MOST_GATES = 4, MOST_EXTRA = 3, MOST_KEPT = 5 };

/* The states after a step, or their gradients before it, and what is kept: gates, or their gradients. */
struct Unit {
    double h = NONE, c = NONE;
    double kept[MOST_KEPT] = {NONE, NONE, NONE, NONE, NONE};
    double shown = NONE; /* kept behind the gates of a projected LSTM: the gradient of h */
};

/* What a unit sees of a step, or of its second half, whose product has one sum. */
struct Ahead {
    double sum[MOST_GATES]; /* W_ih x + b + W_hh h; of the GRU's n, W_hh h + b_hh */
    double input;           /* W_ih x + b of the GRU's n */
    double extra[MOST_EXTRA], before, read, kept[MOST_KEPT];
};

/* And backwards, where the gates are in kept. */
struct Behind {
    double dh, dy, dc, before, after, product, mask;
    double extra[MOST_EXTRA], kept[MOST_KEPT];
};

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

double function(int activation, double x)
{
    switch (activation) {
    case FASTRNN_RELU: return x > 0 ? x : 0;
    case FASTRNN_TANH: return std::tanh(x);
    case FASTRNN_SIGMOID: return sigmoid(x);
    default: return x;
    }
}

/* f'(x) from y = f(x). */
double slope(int activation, double y)
{
    switch (activation) {
    case FASTRNN_RELU: return y > 0 ? 1 : 0;
    case FASTRNN_TANH: return 1 - y * y;
    case FASTRNN_SIGMOID: return y * (1 - y);
    default: return 1;
    }
}

/* -- forwards ------------------------------------------------------------------------------------ */

Unit rnn_unit(int activation, const Ahead &x)
{
    Unit u;
    u.h = function(activation, x.sum[0]);
    return u;
}

Unit gru_unit(const Ahead &x)
{
    const double q = x.sum[2], r = sigmoid(x.sum[0]), z = sigmoid(x.sum[1]), n = std::tanh(x.input + r * q);
    Unit u;
    u.h = (1 - z) * n + z * x.before;
    u.kept[0] = q, u.kept[1] = r, u.kept[2] = z, u.kept[3] = n;
    return u;
}

Unit gru_before_unit(int half, const Ahead &x)
{
    Unit u;
    if (half == 0) {
        const double r = sigmoid(x.sum[0]), z = sigmoid(x.sum[1]);
        u.kept[0] = r * x.read, u.kept[1] = r, u.kept[2] = z;
    } else {
        const double z = x.kept[2], n = std::tanh(x.sum[0]);
        u.h = (1 - z) * n + z * x.before;
        u.kept[3] = n;
    }
    return u;
}

/* Gates i f g o with peepholes of i f o, or, where f is 1 - i, gates i g o with peepholes of i o. */
Unit lstm_unit(bool coupled, const Ahead &x)
{
    const int G = coupled ? 1 : 2, O = G + 1, PEEP_O = G;
    const double i = sigmoid(x.sum[0] + x.extra[0] * x.before), g = std::tanh(x.sum[G]);
    const double f = coupled ? 1 - i : sigmoid(x.sum[1] + x.extra[1] * x.before);
    Unit u;
    u.c = f * x.before + i * g;
    const double o = sigmoid(x.sum[O] + x.extra[PEEP_O] * u.c);
    u.h = o * std::tanh(u.c);
    u.kept[0] = i, u.kept[G] = g, u.kept[O] = o;
    if (!coupled) u.kept[1] = f;
    return u;
}

/* The first half is the LSTM with m in the place of h, kept in front of the gates; the second is h = W_hr m. */
Unit lstm_projected_unit(int half, const Ahead &x)
{
    Unit u;
    if (half == 0) {
        u = lstm_unit(false, x);
        std::copy_backward(u.kept, u.kept + 4, u.kept + 5);
        u.kept[0] = u.h, u.h = NONE;
    } else u.h = x.sum[0];
    return u;
}

Unit unit_of(int cell, int half, const Ahead &x)
{
    switch (cell) {
    case FASTRNN_RNN_TANH: return rnn_unit(FASTRNN_TANH, x);
    case FASTRNN_RNN_RELU: return rnn_unit(FASTRNN_RELU, x);
    case FASTRNN_LSTM:
    case FASTRNN_LSTM_PEEPHOLE: return lstm_unit(false, x);
    case FASTRNN_LSTM_COUPLED:
    case FASTRNN_LSTM_PEEPHOLE_COUPLED: return lstm_unit(true, x);
    case FASTRNN_LSTM_PROJECTED: return lstm_projected_unit(half, x);
    case FASTRNN_GRU: return gru_unit(x);
    case FASTRNN_GRU_BEFORE: return gru_before_unit(half, x);
    }
    return Unit(); /* a cell that nobody described: nothing is right */
}

/* -- backwards ----------------------------------------------------------------------------------- */

Unit rnn_back(int activation, const Behind &x)
{
    Unit u;
    u.kept[0] = (x.dh + x.dy) * slope(activation, x.after);
    return u;
}

Unit gru_back(const Behind &x)
{
    const double d = x.dh + x.dy, q = x.kept[0], r = x.kept[1], z = x.kept[2], n = x.kept[3];
    const double dp = d * (1 - z) * slope(FASTRNN_TANH, n);
    Unit u;
    u.kept[0] = dp * r, u.kept[1] = dp * q * slope(FASTRNN_SIGMOID, r);
    u.kept[2] = d * (x.before - n) * slope(FASTRNN_SIGMOID, z), u.kept[3] = dp;
    u.h = d * z;
    return u;
}

/* Kept are e r z n, and e = r * read. */
Unit gru_before_back(int half, const Behind &x)
{
    const double d = x.dh + x.dy, r = x.kept[1], read = x.kept[0] / r, z = x.kept[2], n = x.kept[3];
    Unit u;
    if (half == 0) {
        u.kept[2] = d * (x.before - n) * slope(FASTRNN_SIGMOID, z);
        u.kept[3] = d * (1 - z) * slope(FASTRNN_TANH, n);
        u.h = d * z;
    } else {
        u.kept[1] = x.product * read * slope(FASTRNN_SIGMOID, r);
        u.h = x.dh + x.mask * r * x.product;
    }
    return u;
}

/* d is the gradient of o * tanh(c); the gates stand behind `skip` other blocks. */
Unit lstm_back(bool coupled, double d, int skip, const Behind &x)
{
    const int I = skip, F = I + 1, G = coupled ? I + 1 : I + 2, O = G + 1, PEEP_O = coupled ? 1 : 2;
    const double i = x.kept[I], f = coupled ? 1 - i : x.kept[F], g = x.kept[G], o = x.kept[O], y = std::tanh(x.after);
    Unit u;
    u.kept[O] = d * y * slope(FASTRNN_SIGMOID, o);
    const double dc = x.dc + d * o * slope(FASTRNN_TANH, y) + x.extra[PEEP_O] * u.kept[O];
    u.kept[I] = dc * (coupled ? g - x.before : g) * slope(FASTRNN_SIGMOID, i);
    u.kept[G] = dc * i * slope(FASTRNN_TANH, g);
    u.c = dc * f + x.extra[0] * u.kept[I];
    if (!coupled) {
        u.kept[F] = dc * x.before * slope(FASTRNN_SIGMOID, f);
        u.c += x.extra[1] * u.kept[F];
    }
    return u;
}

Unit lstm_projected_back(int half, const Behind &x)
{
    if (half == 1) return lstm_back(false, x.product, 1, x);
    Unit u;
    u.shown = x.dh + x.dy;
    return u;
}

Unit back_of(int cell, int half, const Behind &x)
{
    switch (cell) {
    case FASTRNN_RNN_TANH: return rnn_back(FASTRNN_TANH, x);
    case FASTRNN_RNN_RELU: return rnn_back(FASTRNN_RELU, x);
    case FASTRNN_LSTM:
    case FASTRNN_LSTM_PEEPHOLE: return lstm_back(false, x.dh + x.dy, 0, x);
    case FASTRNN_LSTM_COUPLED:
    case FASTRNN_LSTM_PEEPHOLE_COUPLED: return lstm_back(true, x.dh + x.dy, 0, x);
    case FASTRNN_LSTM_PROJECTED: return lstm_projected_back(half, x);
    case FASTRNN_GRU: return gru_back(x);
    case FASTRNN_GRU_BEFORE: return gru_before_back(half, x);
    }
    return Unit();
}

} // namespace
