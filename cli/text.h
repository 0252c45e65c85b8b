#pragma once

// Small words and numbers: what people type, and what they read.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace lplb::cli {

/// 1234567 -> "1,234,567".
std::string with_commas(std::int64_t value);

/// {4, 9, 17} -> "4, 9 and 17"; with more than `most`, "4, 9 and 12 more".
std::string in_words(const std::vector<std::int32_t>& values, std::size_t most = 8);

/// "0,3-6" -> {0, 3, 4, 5, 6}, in the order written. Throws InvalidArgument that names `option`.
std::vector<int> parse_indices(const std::string& option, const std::string& text);

/// The arguments as a shell would take them back.
std::string shell_command(const std::vector<std::string>& arguments);

/// The candidate with the smallest edit distance, if that is small enough to be a slip; else empty.
std::string closest(std::string_view word, const std::vector<std::string>& candidates);

}  // namespace lplb::cli
