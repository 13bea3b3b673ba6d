#include "postgres/migrations.hpp"

#include <algorithm>
#include <cctype>

namespace omnibus::postgres {
namespace {

bool is_word(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_';
}

std::string upper(std::string_view word) {
  std::string result{word};
  std::transform(result.begin(), result.end(), result.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return result;
}

/// Walks over a script; after the walk `statements` holds its statements.
class Splitter {
 public:
  Splitter(std::string_view script, std::size_t first_line) : script_(script), line_(first_line) {}

  std::vector<SqlStatement> split() {
    while (at_ < script_.size()) step();
    finish();
    return std::move(statements_);
  }

 private:
  void step() {
    auto const rest = script_.substr(at_);
    auto const c = rest.front();
    if (std::isspace(static_cast<unsigned char>(c))) return take(1);
    if (rest.starts_with("--")) return skip_comment(std::min(rest.find('\n'), rest.size()));
    if (rest.starts_with("/*")) return skip_comment(block_comment_size(rest));
    if (c == ';' && parentheses_ == 0 && bodies_ == 0) {
      finish();
      at_ += 1;
      begin_ = at_;
      return;
    }
    if (!started_) {
      started_ = true;
      begin_ = at_;
      statement_line_ = line_;
    }
    if (c == '\'' || c == '"') return take(quoted_size(rest, c));
    if (c == '$') return take(dollar_quoted_size(rest));
    if (is_word(c)) return take_word(rest);
    if (c == '(') ++parentheses_;
    if (c == ')' && parentheses_ > 0) --parentheses_;
    take(1);
  }

  void take(std::size_t size) {
    auto const taken = script_.substr(at_, size);
    line_ += static_cast<std::size_t>(std::count(taken.begin(), taken.end(), '\n'));
    at_ += taken.size();
  }

  /// A comment between statements belongs to no statement.
  void skip_comment(std::size_t size) {
    take(size);
    if (!started_) begin_ = at_;
  }

  static std::size_t block_comment_size(std::string_view rest) {
    std::size_t depth = 0;
    for (std::size_t i = 0; i + 1 < rest.size(); ++i) {
      auto const pair = rest.substr(i, 2);
      if (pair == "/*") ++depth, ++i;
      if (pair == "*/" && (++i, --depth == 0)) return i + 1;
    }
    return rest.size();
  }

  std::size_t quoted_size(std::string_view rest, char quote) const {
    auto const escapes = quote == '\'' && at_ > 0 && (script_[at_ - 1] == 'E' || script_[at_ - 1] == 'e') &&
                         (at_ == 1 || !is_word(script_[at_ - 2]));
    for (std::size_t i = 1; i < rest.size(); ++i) {
      if (escapes && rest[i] == '\\') {
        ++i;
      } else if (rest[i] == quote) {
        if (i + 1 < rest.size() && rest[i + 1] == quote) {
          ++i;
        } else {
          return i + 1;
        }
      }
    }
    return rest.size();
  }

  static std::size_t dollar_quoted_size(std::string_view rest) {
    std::size_t end = 1;
    while (end < rest.size() && is_word(rest[end])) ++end;
    auto const is_parameter = end > 1 && std::isdigit(static_cast<unsigned char>(rest[1])) != 0;
    if (end >= rest.size() || rest[end] != '$' || is_parameter) return 1;
    auto const tag = rest.substr(0, end + 1);
    auto const close = rest.find(tag, tag.size());
    return close == std::string_view::npos ? rest.size() : close + tag.size();
  }

  void take_word(std::string_view rest) {
    std::size_t size = 1;
    while (size < rest.size() && (is_word(rest[size]) || rest[size] == '$')) ++size;
    auto const word = upper(rest.substr(0, size));
    if (words_ < 4) opening_ += word + ' ';
    ++words_;
    // Only functions and procedures have unquoted SQL bodies.
    auto const routine = opening_.starts_with("CREATE ") && (opening_.find("FUNCTION ") != std::string::npos ||
                                                             opening_.find("PROCEDURE ") != std::string::npos);
    if (routine) {
      if (word == "BEGIN" || (word == "CASE" && bodies_ > 0)) ++bodies_;
      if (word == "END" && bodies_ > 0) --bodies_;
    }
    take(size);
  }

  void finish() {
    if (started_) {
      auto end = at_;
      while (end > begin_ && std::isspace(static_cast<unsigned char>(script_[end - 1]))) --end;
      statements_.push_back({std::string{script_.substr(begin_, end - begin_)}, statement_line_});
    }
    started_ = false;
    words_ = parentheses_ = bodies_ = 0;
    opening_.clear();
  }

  std::string_view script_;
  std::size_t at_ = 0;
  std::size_t line_;
  std::vector<SqlStatement> statements_;
  bool started_ = false;
  std::size_t begin_ = 0;
  std::size_t statement_line_ = 1;
  std::size_t words_ = 0;
  std::size_t parentheses_ = 0;
  std::size_t bodies_ = 0;
  std::string opening_;
};

}  // namespace

std::vector<SqlStatement> split_sql(std::string_view script, std::size_t first_line) {
  return Splitter{script, first_line}.split();
}

}  // namespace omnibus::postgres
