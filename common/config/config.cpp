#include "config/config.hpp"

#include <algorithm>
#include <cctype>
#include <fstream>
#include <iostream>
#include <set>

#include <fmt/format.h>
#include <unistd.h>

namespace omnibus::config {
namespace {

std::string_view trimmed(std::string_view text) {
  auto const blank = [](char c) { return std::isspace(static_cast<unsigned char>(c)) != 0; };
  while (!text.empty() && blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && blank(text.back())) text.remove_suffix(1);
  return text;
}

std::string_view unquoted(std::string_view text) {
  if (text.size() < 2 || text.front() != text.back()) return text;
  return text.front() == '"' || text.front() == '\'' ? text.substr(1, text.size() - 2) : text;
}

std::string given(Values const& values, std::string const& name) {
  auto const found = values.find(name);
  return found == values.end() ? std::string() : found->second;
}

}  // namespace

namespace detail {

std::string upper(std::string_view name) {
  std::string text(name);
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char letter) { return static_cast<char>(std::toupper(letter)); });
  return text;
}

}  // namespace detail

Values environment() {
  Values values;
  for (auto const* entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    std::string_view const text(*entry);
    auto const equals = text.find('=');
    if (equals != std::string_view::npos) values.emplace(text.substr(0, equals), text.substr(equals + 1));
  }
  return values;
}

Values read_file(std::string const& path) {
  std::ifstream file(path);
  if (!file) throw ConfigError(fmt::format("{}: cannot be read; give --config a file of KEY=VALUE lines", path));
  Values values;
  int number = 0;
  for (std::string line; std::getline(file, line);) {
    ++number;
    auto text = trimmed(line);
    if (text.empty() || text.front() == '#') continue;
    if (text.starts_with("export ")) text = trimmed(text.substr(7));
    auto const equals = text.find('=');
    auto const key = trimmed(text.substr(0, equals));
    if (equals == std::string_view::npos || key.empty()) {
      throw ConfigError(fmt::format("{}:{}: is not KEY=VALUE", path, number));
    }
    auto const [place, fresh] = values.emplace(key, unquoted(trimmed(text.substr(equals + 1))));
    if (!fresh) throw ConfigError(fmt::format("{}:{}: {} is given twice", path, number, place->first));
  }
  return values;
}

void Catalogue::insert(Setting setting) {
  auto const same = [&](Setting const& other) { return other.name == setting.name; };
  if (std::any_of(settings_.begin(), settings_.end(), same)) {
    throw std::logic_error("two settings are named " + setting.name);
  }
  settings_.push_back(std::move(setting));
}

void Catalogue::load(Values const& environment, Values const& file) {
  std::string problems;
  auto const complain = [&](std::string const& problem) { problems += (problems.empty() ? "" : "\n") + problem; };
  std::set<std::string_view> known;
  for (auto const& setting : settings_) {
    known.insert(setting.name);
    auto text = given(environment, setting.name);
    if (text.empty()) text = given(file, setting.name);
    if (text.empty()) continue;
    try {
      setting.assign(text);
    } catch (ValueError const& error) {
      auto const got = setting.secret ? std::string() : fmt::format(", got {}", text);
      complain(fmt::format("{}: {}{}; set {}", setting.name, error.what(), got, setting.name));
    }
  }
  for (auto const& [name, text] : file) {
    if (!known.contains(name))
      complain(fmt::format("{}: no such setting; take it out of the file, or see --help", name));
  }
  if (!problems.empty()) throw ConfigError(problems);
}

std::string Catalogue::help() const {
  std::size_t name_width = 0;
  std::size_t default_width = 0;
  for (auto const& setting : settings_) {
    name_width = std::max(name_width, setting.name.size());
    default_width = std::max(default_width, setting.default_text.size());
  }
  default_width = std::min<std::size_t>(default_width, 32);
  std::string text;
  for (auto const& setting : settings_) {
    auto const shown = setting.default_text.empty() ? "-" : setting.default_text;
    text += fmt::format("  {:{}}  {:{}}", setting.name, name_width, shown, default_width);
    if (shown.size() > default_width) text += fmt::format("\n{:{}}", "", 4 + name_width + default_width);
    text += fmt::format("  {}\n", setting.help);
  }
  return text;
}

std::string Catalogue::print() const {
  std::string text;
  for (auto const& setting : settings_) text += fmt::format("{}={}\n", setting.name, setting.show());
  return text;
}

Arguments parse_arguments(int argc, char const* const* argv) {
  Arguments arguments;
  for (int i = 1; i < argc; ++i) {
    std::string_view const option = argv[i];
    if (option == "--help" || option == "-h") {
      arguments.help = true;
    } else if (option == "--version") {
      arguments.version = true;
    } else if (option == "--print-config") {
      arguments.print_config = true;
    } else if (option == "--config" && i + 1 < argc) {
      arguments.config_file = argv[++i];
    } else if (option.starts_with("--config=") && option.size() > 9) {
      arguments.config_file = option.substr(9);
    } else if (option == "--config" || option == "--config=") {
      throw ConfigError("--config: takes a file; see --help");
    } else {
      throw ConfigError(fmt::format("{}: no such option; see --help", option));
    }
  }
  return arguments;
}

std::optional<int> configure(Program const& program, Catalogue& catalogue, int argc, char const* const* argv,
                             std::ostream& out, std::ostream& err, Values const& environment) {
  try {
    auto const arguments = parse_arguments(argc, argv);
    if (arguments.help) {
      out << fmt::format(
          "{0}: {1}\n\nUsage: {0} [--config FILE] [--print-config] [--version] [--help]\n\n"
          "  --config FILE    read settings from KEY=VALUE lines; the environment wins over the file\n"
          "  --print-config   print the effective settings, secrets masked, and end\n"
          "  --version        print the version and end\n"
          "  --help           print this and end\n"
          "{3}\n"
          "Settings, from the environment (name, default, meaning):\n{2}",
          program.name, program.summary, catalogue.help(), program.more_options);
      return 0;
    }
    if (arguments.version) {
      out << program.name << ' ' << program.version << '\n';
      return 0;
    }
    catalogue.load(environment, arguments.config_file.empty() ? Values{} : read_file(arguments.config_file));
    if (arguments.print_config) {
      out << catalogue.print();
      return 0;
    }
    return std::nullopt;
  } catch (ConfigError const& error) {
    std::string_view rest = error.what();
    while (!rest.empty()) {
      auto const end = std::min(rest.find('\n'), rest.size());
      err << program.name << ": " << rest.substr(0, end) << '\n';
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
    return 2;
  }
}

std::optional<int> configure(Program const& program, Catalogue& catalogue, int argc, char const* const* argv) {
  return configure(program, catalogue, argc, argv, std::cout, std::cerr, environment());
}

}  // namespace omnibus::config
