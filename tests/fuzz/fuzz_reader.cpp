// The libFuzzer entry of one reader; the build says which.

#include <cstdint>

#include "readers.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  lplb::fuzz::LPLB_FUZZ_READER({reinterpret_cast<const char*>(data), size});
  return 0;
}
