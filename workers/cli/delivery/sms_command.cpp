#include "json/encode.hpp"
#include "json/utf8.hpp"
#include "messaging/sms_text.hpp"
#include "workers/cli/commands.hpp"
#include "workers/cli/delivery/sms_price.hpp"
#include "workers/cli/terminal/terminal.hpp"

#include <cstdint>
#include <cstdio>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>
#include <boost/describe/class.hpp>
#include <fmt/format.h>
#include <unistd.h>

namespace omnibus::cli {
namespace {

namespace sms = omnibus::messaging;

struct SmsOptions {
  std::optional<std::string> text;
  std::size_t max_parts = sms::sms_max_segments;
  std::string price;
  bool as_is = false;
  bool json = false;
};

struct PartReport {
  std::string text;
  std::int64_t units = 0;
  std::int64_t left = 0;
};
BOOST_DESCRIBE_STRUCT(PartReport, (), (text, units, left))

struct ReplacementReport {
  std::string from;
  std::string to;
  std::int64_t count = 0;
};
BOOST_DESCRIBE_STRUCT(ReplacementReport, (), (from, to, count))

struct SegmentsReport {
  std::string encoding;
  std::int64_t segments = 0;
  std::int64_t units = 0;
  std::string text;
  std::vector<PartReport> parts;
  std::optional<std::string> cost;
  std::vector<ReplacementReport> replaced;
  bool cut = false;
};
BOOST_DESCRIBE_STRUCT(SegmentsReport, (), (encoding, segments, units, text, parts, cost, replaced, cut))

std::string read_stdin() {
  if (isatty(STDIN_FILENO) != 0) fmt::print(stderr, "omnibus: reading the message from standard input, to its end\n");
  std::string text;
  char buffer[4096];
  for (std::size_t count = 0; (count = std::fread(buffer, 1, sizeof buffer, stdin)) > 0;) {
    text.append(buffer, count);
    if (text.size() > sms::max_body + 1) break;
  }
  if (text.ends_with('\n')) text.pop_back();
  return text;
}

sms::SmsText message_of(SmsOptions const& options) {
  auto text = options.text ? *options.text : read_stdin();
  if (text.size() > sms::max_body)
    throw std::runtime_error(fmt::format("the message has more than {} bytes: shorten it", sms::max_body));
  if (!json::is_utf8(text)) throw std::runtime_error("the message is not UTF-8");
  auto const max_parts = options.max_parts == 0 ? sms::max_body : options.max_parts;
  if (!options.as_is) return sms::sms_text(text, max_parts);
  auto kept = sms::cut_sms(text, max_parts);
  auto const size = sms::sms_size(kept);
  auto const cut = kept != text;
  return {std::move(kept), size, {}, cut};
}

SegmentsReport report_on(sms::SmsText message, std::optional<SegmentPrice> const& price) {
  SegmentsReport report;
  report.encoding = name(message.size.encoding);
  report.segments = static_cast<std::int64_t>(message.size.parts);
  report.units = static_cast<std::int64_t>(message.size.units);
  for (auto& part : sms::sms_parts(message.text))
    report.parts.push_back(
        {std::move(part.text), static_cast<std::int64_t>(part.units), static_cast<std::int64_t>(part.left)});
  for (auto& [from, to, count] : message.replaced)
    report.replaced.push_back({std::move(from), std::move(to), static_cast<std::int64_t>(count)});
  if (price) report.cost = to_string(*price * report.segments);
  report.cut = message.cut;
  report.text = std::move(message.text);
  return report;
}

std::string quoted(std::string const& text) {
  return '"' + printable(text) + '"';
}

void print(SegmentsReport const& report, SmsOptions const& options) {
  auto const* const unit = report.encoding == "GSM-7" ? "septets" : "UTF-16 units";
  fmt::print("{}, {} part{}, {} {}\n", report.encoding, report.segments, report.segments == 1 ? "" : "s", report.units,
             unit);
  for (std::size_t i = 0; i < report.parts.size(); ++i) {
    auto const& part = report.parts[i];
    fmt::print("{:3}  {:3} used, {:3} left  {}\n", i + 1, part.units, part.left, quoted(part.text));
  }
  if (report.cost) fmt::print("cost {} ({} at {})\n", *report.cost, report.segments, options.price);
  for (auto const& [from, to, count] : report.replaced) {
    fmt::print("{} {}", quoted(from), to.empty() ? "left out" : "written as " + quoted(to));
    fmt::print("{}\n", count == 1 ? "" : fmt::format(", {} times", count));
  }
  if (report.cut) fmt::print("cut to {} parts: --max N for more\n", options.max_parts);
  if (report.parts.empty()) fmt::print("nothing in it can be read: no SMS would be sent\n");
}

}  // namespace

void add_sms_command(CLI::App& application, int&) {
  auto* sms = application.add_subcommand("sms", "Show how a message is sent by SMS");
  sms->require_subcommand(1);
  auto* command = sms->add_subcommand("segments", "Show a message as it is sent: encoding, parts and cost");
  command->footer(
      "Formatting is removed and the text is encoded in GSM-7 if possible, as in the notify worker. A part "
      "holds "
      "160 septets of GSM-7 or 70 UTF-16 units of UCS-2, and 153 or 67 when there are several.");
  auto const options = std::make_shared<SmsOptions>();
  command->add_option("text", options->text, "The message; default: standard input");
  command->add_option("--max", options->max_parts, "Cut to this many parts; 0: no limit")
      ->check(CLI::Range(0, 255))
      ->capture_default_str();
  command->add_option("--price", options->price, "Price of one part, such as 0.0085, to print the total cost");
  command->add_flag("--as-is", options->as_is, "Count the text without conversion");
  command->add_flag("--json", options->json, "One line of JSON");
  command->callback([options] {
    auto const price = options->price.empty() ? std::nullopt : std::optional{read_price(options->price)};
    auto const report = report_on(message_of(*options), price);
    if (options->json)
      fmt::print("{}\n", json::encode(report));
    else
      print(report, *options);
  });
}

}  // namespace omnibus::cli
