// The executable `lplb`.

#include "command.h"

int main(int argc, char** argv) { return lplb::cli::run_command({argv, argv + argc}); }
