/* Any CPU that the compiler was told to build for; vectors of 16 bytes, the least that vector units have. */
#define WIDTH 16
#include "body.hpp"

const fastrnn_engine fastrnn_portable[2] = {ENGINE("portable", float), ENGINE("portable", double)};
