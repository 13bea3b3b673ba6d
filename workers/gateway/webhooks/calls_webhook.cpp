#include "workers/gateway/webhooks/calls_webhook.hpp"

#include "events/call.hpp"

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <boost/describe/class.hpp>

namespace omnibus::gateway {
namespace {

struct PostedCall {
  std::string call_id;
  std::string phone_number;
  std::optional<std::string> summary;
  std::optional<std::vector<Utterance>> transcript;
};
BOOST_DESCRIBE_STRUCT(PostedCall, (), (call_id, phone_number, summary, transcript))

}  // namespace

InboundEvent read_call(InboundRules const& rules, std::string_view body) {
  auto posted = read_posted<PostedCall>(body);
  if (!posted) throw Refusal::invalid(posted.error().field, posted.error().message());
  auto const number = read_phone_number(rules, "phone_number", posted->phone_number);
  CallTerminated call{rules.domain, std::move(posted->call_id), number.e164(), {}, {}};
  // An empty summary or transcript counts as absent: the call worker then looks elsewhere.
  if (posted->summary && !posted->summary->empty()) call.summary = cut(*std::move(posted->summary), most_text);
  if (posted->transcript) {
    std::erase_if(*posted->transcript, [](Utterance const& said) { return said.text.empty(); });
    for (auto& said : *posted->transcript) {
      said.text = cut(std::move(said.text), most_text);
      said.speaker = said.speaker.empty() ? "unknown" : cut(std::move(said.speaker), most_name);
    }
    if (!posted->transcript->empty()) call.transcript = std::move(posted->transcript);
  }
  auto const id = inbound_event_id({"calls", rules.domain, call.call_id});
  return make_inbound(rules, id, profile_key(rules, number.e164()), call);
}

}  // namespace omnibus::gateway
