#include "workers/report/render.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace omnibus::report {
namespace {

std::string_view in_words(std::string_view outcome) {
  if (outcome == "STRONG_MATCH") return "a strong match";
  if (outcome == "EXPLORATORY") return "worth exploring";
  if (outcome == "FUTURE_POTENTIAL") return "something for later";
  return "no match";
}

std::string count_conversations(std::size_t count) {
  if (count == 0) return "Your agent held no conversation since your last report.";
  return count == 1 ? "Your agent held one conversation." : fmt::format("Your agent held {} conversations.", count);
}

bool is_control(char c) {
  return (static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\t') || c == '\x7F';
}

/// As one line: a handle or a step cannot look like a line of ours.
std::string as_line(std::string_view text) {
  std::string line{text};
  std::replace_if(
      line.begin(), line.end(), [](char c) { return is_control(c) || c == '\n' || c == '\t'; }, ' ');
  return line;
}

std::string without_controls(std::string_view text) {
  std::string clean{text};
  std::replace_if(clean.begin(), clean.end(), is_control, ' ');
  return clean;
}

std::string escaped_line(std::string_view text) {
  return escape_html(as_line(text));
}

std::string follow_up(ReportedOutcome const& outcome) {
  if (!outcome.follow_up) return {};
  return outcome.timeframe ? "You two should meet: " + *outcome.timeframe : "You two should meet.";
}

}  // namespace

std::string escape_html(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (auto const c : without_controls(text)) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string render_text(ReportContent const& content) {
  auto text = fmt::format("Hello {},\n\n{}\n", as_line(content.handle), count_conversations(content.outcomes.size()));
  for (auto const& outcome : content.outcomes) {
    text += fmt::format("\nWith {}: {}\n{}\nIn it, {} spoke for you.\n", as_line(outcome.other),
                        in_words(outcome.outcome), without_controls(outcome.summary), outcome.speaker);
    for (auto const& step : outcome.steps)
      text += fmt::format("- {} ({}, {})\n", as_line(step.step), as_line(step.priority), as_line(step.timeline));
    if (auto const meeting = follow_up(outcome); !meeting.empty()) text += as_line(meeting) + '\n';
  }
  return text;
}

std::string render_html(ReportContent const& content) {
  auto html = fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>Report of {}</title></head>\n"
      "<body>\n<p>Hello {},</p>\n<p>{}</p>\n",
      escape_html(content.date), escaped_line(content.handle), count_conversations(content.outcomes.size()));
  for (auto const& outcome : content.outcomes) {
    html +=
        fmt::format("<h2>With {}: {}</h2>\n<p>{}</p>\n<p>In it, {} spoke for you.</p>\n", escaped_line(outcome.other),
                    in_words(outcome.outcome), escape_html(outcome.summary), escaped_line(outcome.speaker));
    if (!outcome.steps.empty()) html += "<ul>\n";
    for (auto const& step : outcome.steps)
      html += fmt::format("<li>{} ({}, {})</li>\n", escaped_line(step.step), escaped_line(step.priority),
                          escaped_line(step.timeline));
    if (!outcome.steps.empty()) html += "</ul>\n";
    if (auto const meeting = follow_up(outcome); !meeting.empty()) html += "<p>" + escaped_line(meeting) + "</p>\n";
  }
  return html + "</body>\n</html>\n";
}

}  // namespace omnibus::report
