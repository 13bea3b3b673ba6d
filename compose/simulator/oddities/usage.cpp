#include "compose/simulator/oddities/builders.hpp"

#include <boost/json.hpp>

namespace omnibus::simulator::odd {
namespace {

namespace json = boost::json;

constexpr char const* counts[] = {"prompt_tokens", "completion_tokens", "total_tokens"};

/// Takes the usage out of the documents, with the chunk that holds nothing else.
json::object taken_usage(Documents& documents) {
  json::object usage;
  for (auto document = documents.begin(); document != documents.end();) {
    if (auto* const found = usage_in(*document)) usage = *found;
    document->erase("usage");
    document = choice_of(*document) == nullptr ? documents.erase(document) : std::next(document);
  }
  return usage;
}

}  // namespace

void negative_usage(Documents& documents) {
  for (auto& document : documents)
    if (auto* const usage = usage_in(document)) (*usage)["prompt_tokens"] = -3;
}

void usage_not_whole_numbers(Documents& documents) {
  for (auto& document : documents)
    if (auto* const usage = usage_in(document))
      for (auto const* const name : counts) (*usage)[name] = usage->at(name).to_number<double>();
}

void usage_in_strings(Documents& documents) {
  for (auto& document : documents)
    if (auto* const usage = usage_in(document))
      for (auto const* const name : counts) (*usage)[name] = std::to_string(usage->at(name).to_number<std::int64_t>());
}

void usage_is_a_word(Documents& documents) {
  for (auto& document : documents)
    if (usage_in(document) != nullptr) document["usage"] = "none";
}

void usage_of_zeros(Documents& documents) {
  for (auto& document : documents)
    if (auto* const usage = usage_in(document))
      for (auto const* const name : counts) (*usage)[name] = 0;
}

void usage_in_every_chunk(Documents& documents) {
  auto const all = taken_usage(documents);
  if (all.empty()) return;
  auto const told = all.at("completion_tokens").to_number<std::int64_t>();
  auto const size = static_cast<std::int64_t>(documents.size());
  for (std::int64_t i = 0; i < size; ++i) {
    auto usage = all;
    usage["completion_tokens"] = told * (i + 1) / size;
    usage["total_tokens"] = all.at("prompt_tokens").to_number<std::int64_t>() + told * (i + 1) / size;
    documents[static_cast<std::size_t>(i)]["usage"] = std::move(usage);
  }
}

void usage_with_the_finish(Documents& documents) {
  auto usage = taken_usage(documents);
  if (!usage.empty()) documents.back()["usage"] = std::move(usage);
}

void usage_more_thoughts(Documents& documents) {
  for (auto& document : documents)
    if (auto* const usage = usage_in(document))
      (*usage)["completion_tokens_details"] = {
          {"reasoning_tokens", usage->at("completion_tokens").to_number<std::int64_t>() + 1}};
}

void usage_details_null(Documents& documents) {
  for (auto& document : documents) {
    auto* const usage = usage_in(document);
    if (usage == nullptr) continue;
    (*usage)["prompt_tokens_details"] = nullptr;
    (*usage)["completion_tokens_details"] = nullptr;
  }
}

void usage_elsewhere(Documents& documents) {
  auto usage = taken_usage(documents);
  if (!usage.empty()) documents.back()["x_groq"] = {{"id", "req_1"}, {"usage", std::move(usage)}};
}

void no_usage(Documents& documents) {
  taken_usage(documents);
}

}  // namespace omnibus::simulator::odd
