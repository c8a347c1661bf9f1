/* The whole engine for one level.  The level's file sets WIDTH and the target, includes this, and names its table. */
#include "engine.h"

#include "vector.hpp"

#include "activations.hpp"
#include "product.hpp"
#include "step.hpp"

#include "gru.hpp"
#include "gru_before.hpp"
#include "lstm.hpp"
#include "lstm_projected.hpp"
#include "rnn.hpp"

#define ENGINE(name, T)                                                                                      \
    {                                                                                                        \
        name, Simd<T>::W, product<T>,                                                                        \
            {rnn_step<T, false>, rnn_step<T, true>, lstm_step<T, false, false>, lstm_step<T, true, false>,   \
             lstm_step<T, false, true>, lstm_step<T, true, true>, lstm_projected_step<T>, gru_step<T>,       \
             gru_before_step<T>},                                                                            \
            {rnn_back<T, false>, rnn_back<T, true>, lstm_back<T, false, false>, lstm_back<T, true, false>,   \
             lstm_back<T, false, true>, lstm_back<T, true, true>, lstm_projected_back<T>, gru_back<T>,       \
             gru_before_back<T>},                                                                            \
            pack<T>, activate_all<T>, slope<T>, sum_rows<T>, sum_products<T>, spin<T>                        \
    }
