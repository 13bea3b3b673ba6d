#include "workers/cli/terminal/screen.hpp"

#include <algorithm>
#include <charconv>
#include <clocale>
#include <cstdlib>
#include <string_view>

#include <langinfo.h>
#include <sys/ioctl.h>
#include <unistd.h>

namespace omnibus::cli {
namespace {

constexpr std::size_t narrowest = 20;
constexpr std::size_t usual = 80;
constexpr std::size_t widest = 500;

}  // namespace

std::size_t output_width() {
  winsize size{};
  if (isatty(STDOUT_FILENO) != 0 && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
    return std::max<std::size_t>(size.ws_col, narrowest);
  std::size_t columns = usual;
  if (auto const* const told = std::getenv("COLUMNS")) {
    std::string_view const text{told};
    std::from_chars(text.data(), text.data() + text.size(), columns);
  }
  return std::clamp(columns, narrowest, widest);
}

Ink output_ink() {
  if (isatty(STDOUT_FILENO) == 0) return Ink::blocks;
  std::setlocale(LC_CTYPE, "");
  return std::string_view{nl_langinfo(CODESET)} == "UTF-8" ? Ink::blocks : Ink::ascii;
}

}  // namespace omnibus::cli
