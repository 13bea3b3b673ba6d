#include "senders/secret_folder.hpp"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <system_error>

namespace omnibus::senders {
namespace {

constexpr std::size_t longest_name = 100;

bool is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

}  // namespace

bool is_secret_name(std::string_view name) {
  return !name.empty() && name.size() <= longest_name && is_word(name.front()) &&
         std::ranges::all_of(name, [](char c) { return is_word(c) || c == '_' || c == '-' || c == '.'; });
}

std::optional<Secret> SecretFolder::read(std::string_view name) const {
  if (folder_.empty() || !is_secret_name(name)) return std::nullopt;
  std::error_code unreadable;
  if (!std::filesystem::is_regular_file(folder_ / name, unreadable)) return std::nullopt;
  std::ifstream file{folder_ / name};
  std::string text{std::istreambuf_iterator<char>{file}, {}};
  while (text.ends_with('\n') || text.ends_with('\r')) text.pop_back();
  if (text.empty()) return std::nullopt;
  return Secret{std::move(text)};
}

}  // namespace omnibus::senders
