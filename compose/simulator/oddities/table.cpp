#include "compose/simulator/oddities/builders.hpp"

#include <algorithm>
#include <array>
#include <stdexcept>

#include <fmt/format.h>

namespace omnibus::simulator {
namespace {

using namespace odd;

constexpr std::string_view same = "The same answer";
constexpr std::string_view same_calls = "The same calls";
constexpr std::string_view estimated = "The same answer, usage estimated";
constexpr std::string_view none = "No answer, as it has no words";

// Name, what the server does, what a client must make of it, where it was seen, a public report.
constexpr std::array table{
    // Frames.
    OddWay{"answer-all-at-once", "A streamed question gets one whole JSON document", same, "caches, gateways",
           "Amm1rr/WebAI-to-API#57", &all_at_once},
    OddWay{"stream-unasked", "A question for a whole answer gets a stream", same, "Unsloth, Azure AI with DeepSeek",
           "unslothai/unsloth#6570", &stream_unasked},
    OddWay{"stream-called-json", "A stream is labelled `application/json`", same, "gateways, proxies",
           "openclaw/openclaw#97454", &stream_called_json},
    OddWay{"no-empty-line-at-the-end", "The last event has no empty line behind it, and there is no `[DONE]`", same,
           "proxies", "openai/openai-node#2725", &no_empty_line_at_the_end},
    OddWay{"open-after-done", "The connection stays open behind `[DONE]`", "The same answer, at once", "OCI, gateways",
           "cohere-ai/cohere-python#756", &open_after_done},
    OddWay{"open-without-done", "The finish reason, no `[DONE]`, and the connection stays open",
           "The same answer, after a short wait", "vllm-mlx, OmniRoute", "waybarrios/vllm-mlx#101", &open_without_done},
    OddWay{"no-done", "The stream ends without `[DONE]`", same, "TGI in 2024, ik_llama.cpp",
           "huggingface/text-generation-inference#1896", &no_done},
    OddWay{"breaks-after-finish", "The connection breaks behind the finish reason", same, "Triton, llama-cpp-python",
           "npuichigo/openai_trtllm#31", &breaks_after_finish},
    OddWay{"data-without-space", "`data:` without a space behind it", same, "LongCat, Kimi Code, proxies on Spring",
           "davidmigloz/langchain_dart#778", &data_without_space},
    OddWay{"crlf-lines", "Lines end with CR LF", same, "sse-starlette, Azure", "hey-api/hey-api#3054", &crlf_lines},
    OddWay{"cr-lines", "Lines end with CR alone, as the standard allows", same, "proxies", "EdamAme-x/pentect#1438",
           &cr_lines},
    OddWay{"byte-order-mark", "The body begins with a byte order mark", same, "proxies", "agentic-os-org/ANOLISA#2209",
           &byte_order_mark},
    OddWay{"keep-alive-comments", "Comments between the events", same, "OpenRouter, DeepSeek", "openai/openai-go#227",
           &keep_alive_comments},
    OddWay{"keep-alive-as-data", "The comments as data: `data: : PROCESSING`", same, "gateways to OpenRouter",
           "mnfst/llm-gateway#2053", &keep_alive_as_data},
    OddWay{"null-as-data", "`data: null` between the chunks", same, "gateways, while a model reasons",
           "NousResearch/hermes-agent#80822", &null_as_data},
    OddWay{"empty-data", "`data:` without data between the chunks", same, "llama.cpp in 2025",
           "coddy-project/coddy-agent#106", &empty_data},
    OddWay{"ping-events", "`event: ping` between the chunks", same, "gateways to Anthropic and Grok",
           "justlovemaki/AIClient2API#695", &ping_events},
    OddWay{"byte-by-byte", "Each byte comes alone", same, "proxies", "alexrudall/ruby-openai#332", &byte_by_byte},
    OddWay{"blank-lines-around", "Blank lines before and behind the answer", same, "DeepSeek, OpenRouter",
           "OpenRouterTeam/typescript-sdk#101", &blank_lines_around},
    OddWay{"gzip-unasked", "The body is compressed, although the request does not accept it", "A protocol error",
           "servers that ignore `Accept-Encoding`", "mnutt/davros#94", &gzip_unasked},
    // Words.
    OddWay{"content-in-parts", "`content` is a list of parts", same, "Mistral", "mozilla-ai/any-llm-go#162",
           &changed<&content_in_parts>},
    OddWay{"thought-in-parts", "The thought is one of these parts", same, "Mistral's Magistral",
           "BerriAI/litellm#16272", &changed<&thought_in_parts>},
    OddWay{"thought-in-tags", "The thought comes first, in `<think>` and `</think>`", same,
           "vLLM, llama.cpp and others without a reasoning parser", "labring/FastGPT#3733", &changed<&thought_in_tags>},
    OddWay{"thought-without-opening-tag", "The thought comes first and ends with `</think>`; no tag begins it",
           "The same answer, behind pieces with the thought", "vLLM, LocalAI, with DeepSeek R1 and QwQ",
           "vllm-project/vllm#13125", &changed<&thought_without_opening_tag>},
    OddWay{"thought-in-channels", "The thought comes first, in a channel of gpt-oss with its marks", same,
           "TensorRT-LLM, mlx-lm, llama.cpp", "NVIDIA/TensorRT-LLM#9256", &changed<&thought_in_channels>},
    OddWay{"thought-in-reasoning-content", "The thought is in `reasoning_content`", same, "DeepSeek, SGLang, LiteLLM",
           "BerriAI/litellm#20246", &changed<&thought_in_reasoning_content>},
    OddWay{"thought-in-reasoning", "The thought is in `reasoning`", same, "vLLM since 0.9, Groq, OpenRouter, Ollama",
           "BerriAI/litellm#22573", &changed<&thought_in_reasoning>},
    OddWay{"only-thought", "Thoughts use up the tokens; `content` is empty, the finish reason `length`", none,
           "reasoning models", "huggingface/chat-ui#2383", &changed<&only_thought>},
    OddWay{"only-blanks", "`content` is white space", none, "small models", "", &changed<&only_blanks>},
    OddWay{"nothing-said", "`content` is empty, the finish reason `stop`", none, "DeepSeek with `json_object`, Gemini",
           "langgenius/dify#13068", &changed<&nothing_said>},
    OddWay{"half-a-pair-in-the-stream", "An emoji is cut in two: `\\ud83d`, then `\\ude00`", "The character, whole",
           "endpoints that cut by UTF-16 units", "elie222/rakazo#416", &half_a_pair},
    OddWay{"repeated-at-the-end", "The last chunk repeats all words", "The words once", "RAGFlow, Rapid-MLX",
           "infiniflow/ragflow#15443", &changed_stream<&repeated_at_the_end>},
    OddWay{"filtered-midway", "Some words, then the finish reason `content_filter`", "Those words, ended by the filter",
           "Azure, Gemini", "experientiallabs/experiential#962", &changed<&filtered_midway>},
    OddWay{"refusal-in-its-field", "`content` is null, the words are in `refusal`", "Those words, ended by refusal",
           "OpenAI, Azure", "langchain-ai/langchain#39747", &changed_answer<&refusal_in_its_field>},
    OddWay{"tool-call-as-text", "The call is text: `<tool_call>` with JSON", same,
           "vLLM and Ollama without a tool parser", "NousResearch/hermes-agent#3518", &changed_answer<&call_as_text>},
    // Fields.
    OddWay{"filter-results-first", "First a chunk without choices and id, with `prompt_filter_results`", same, "Azure",
           "AbanteAI/archive-old-cli-mentat#429", &changed_stream<&filter_results_first>},
    OddWay{"filter-results-later", "Last a chunk without delta, with `content_filter_offsets`", same, "Azure",
           "langchain-ai/langchain#18977", &changed_stream<&filter_results_later>},
    OddWay{"choices-null", "The chunk with the usage has `choices: null`", same, "MiniMax, vLLM proxies",
           "pydantic/pydantic-ai#5165", &changed_stream<&choices_null>},
    OddWay{"choices-missing", "The chunk with the usage has no `choices`", same, "Groq", "tashfeenahmed/freellmapi#156",
           &changed_stream<&choices_missing>},
    OddWay{"delta-null", "The chunk with the finish reason has `delta: null`", same, "Azure",
           "microsoft/agent-framework#5734", &changed_stream<&delta_null>},
    OddWay{"delta-missing", "The chunk with the finish reason has no `delta`", same, "Gemini through Envoy",
           "maximhq/bifrost#5878", &changed_stream<&delta_missing>},
    OddWay{"finish-empty", "`finish_reason` is `\"\"` until it is known", same, "Ollama in 2024, SGLang in 2025",
           "ollama/ollama#4357", &changed_stream<&finish_empty>},
    OddWay{"finish-null-as-text", "`finish_reason` is `\"null\"` until it is known", same, "KoboldCpp",
           "PowerShell/AIShell#350", &changed_stream<&finish_null_as_text>},
    OddWay{"finish-in-every-chunk", "`finish_reason` is `stop` in every chunk", "The whole answer",
           "LiteLLM with Gemini", "BerriAI/litellm#2195", &changed_stream<&finish_in_every_chunk>},
    OddWay{"finish-with-the-last-words", "The last words and the finish reason share a chunk", same, "vLLM",
           "vllm-project/vllm#35705", &changed_stream<&finish_with_the_last_words>},
    OddWay{"finish-twice", "The chunk with the finish reason comes twice", same, "OpenRouter, SGLang",
           "skye-harris/hass_local_openai_llm#92", &changed_stream<&finish_twice>},
    OddWay{"no-finish", "No finish reason, only `[DONE]`", same, "vllm-mlx, OpenCode Zen, Gemini",
           "waybarrios/vllm-mlx#628", &changed_stream<&no_finish>},
    OddWay{"finish-in-own-words", "The finish reason is `eos`", same, "Together", "openai/openai-dotnet#267",
           &changed<&finish_in_own_words>},
    OddWay{"finish-end-turn", "The finish reason is `end_turn`, `max_tokens` or `tool_use`", same,
           "gateways to Bedrock and Anthropic", "aws-samples/bedrock-access-gateway#11", &changed<&finish_end_turn>},
    OddWay{"nulls-everywhere", "Every optional field is there, as null", same, "SGLang, Azure AI with DeepSeek",
           "owndev/Open-WebUI-Functions#54", &changed<&nulls_everywhere>},
    OddWay{"empty-tool-calls", "Every delta has `tool_calls: []`", same, "vLLM 0.22, Groq through Portkey",
           "microsoft/vscode#330038", &changed<&empty_tool_calls>},
    OddWay{"created-as-float", "`created` has fractions of a second", same, "SambaNova", "BoundaryML/baml#1746",
           &changed<&created_as_float>},
    OddWay{"no-id", "The answer has no `id`", same, "Google, OpenVINO Model Server", "64bit/async-openai#408",
           &changed<&no_id>},
    OddWay{"choices-counted-up", "The choice's `index` grows with every chunk", same, "TGI 1.4, Foundry Local",
           "microsoft/foundry-local#263", &changed_stream<&choices_counted_up>},
    OddWay{"delta-and-message", "Every choice has its words in `delta` and in `message`", "The words once",
           "Foundry Local", "microsoft/foundry-local#263", &changed_stream<&delta_and_message>},
    // Usage.
    OddWay{"negative-usage", "`prompt_tokens` is below zero", estimated, "OpenAI o3", "64bit/async-openai#404",
           &changed<&negative_usage>},
    OddWay{"usage-not-whole-numbers", "Counts such as `20.0`", same, "SambaNova", "siyuan-note/siyuan#14787",
           &changed<&usage_not_whole_numbers>},
    OddWay{"usage-in-strings", "Counts such as `\"20\"`", same, "gateways", "", &changed<&usage_in_strings>},
    OddWay{"usage-is-a-word", "`usage` is no object", estimated, "gateways", "", &changed<&usage_is_a_word>},
    OddWay{"usage-of-zeros", "All counts are 0", estimated, "gateways", "matthewhand/open-swarm#141",
           &changed<&usage_of_zeros>},
    OddWay{"usage-in-every-chunk", "Every chunk has the counts so far", "The same answer with the last counts",
           "vLLM and SGLang with `continuous_usage_stats`", "open-webui/open-webui#29064",
           &changed_stream<&usage_in_every_chunk>},
    OddWay{"usage-with-the-finish", "The counts share the chunk with the finish reason", same, "vLLM, DeepSeek, xAI",
           "BerriAI/litellm#17136", &changed_stream<&usage_with_the_finish>},
    OddWay{"usage-more-thoughts", "More `reasoning_tokens` than `completion_tokens`",
           "The same answer, no more thoughts than output", "Baseten, xAI", "vercel/ai#18614",
           &changed<&usage_more_thoughts>},
    OddWay{"usage-details-null", "The details of the usage are null", same, "vLLM", "datawhalechina/hello-agents#377",
           &changed<&usage_details_null>},
    OddWay{"usage-elsewhere", "The usage is in `x_groq` of the last chunk", estimated, "Groq", "vercel/ai#1651",
           &changed_stream<&usage_elsewhere>},
    OddWay{"no-usage", "No usage, although asked for", estimated, "Ollama before 0.5.2, Ollama Cloud",
           "ollama/ollama#4448", &changed<&no_usage>},
    // Tool calls.
    OddWay{"tool-calls-from-one", "The first call has `index` 1", same_calls, "gateways to Anthropic and Bedrock",
           "agentgateway/agentgateway#2965", &changed<&calls_from_one>},
    OddWay{"tool-calls-share-an-index", "Two calls, both with `index` 0", "Both calls", "Ollama, Bifrost",
           "apache/maka#1976", &two_calls<&calls_share_an_index>},
    OddWay{"tool-calls-without-index", "Two calls without `index`", "Both calls", "Gemini, Ollama in 2024",
           "ollama/ollama#7881", &two_calls<&calls_without_index>},
    OddWay{"tool-call-without-id", "The call has no `id`", "The same call, with an id of ours", "Gemini, llama.cpp",
           "google/adk-python#951", &changed<&call_without_id>},
    OddWay{"tool-calls-with-empty-ids", "Two calls, whose ids are empty", "Both calls, with ids of ours", "Gemini 2.5",
           "vercel/ai#7834", &two_calls<&calls_with_empty_ids>},
    OddWay{"tool-name-in-every-piece", "Every piece of a call repeats id and name", same_calls, "LiteLLM",
           "BerriAI/litellm#20480", &changed<&name_in_every_piece>},
    OddWay{"tool-name-later", "A call begins with an empty name", same_calls, "vmlx", "jjang-ai/vmlx#244",
           &changed<&name_later>},
    OddWay{"tool-ids-null", "The later pieces have null as id and name", same_calls, "SGLang, OpenCode Zen",
           "sgl-project/sglang#35542", &changed<&ids_and_names_null>},
    OddWay{"tool-arguments-as-object", "`arguments` is an object, not text", same_calls, "TGI",
           "huggingface/text-generation-inference#2136", &changed<&arguments_as_object>},
    OddWay{"tool-arguments-empty", "`arguments` is `\"\"` for a call without any", "The call with `{}`",
           "Anthropic through gateways, GLM", "openai/openai-agents-js#664", &changed<&arguments_empty>},
    OddWay{"tool-arguments-missing", "The call has no `arguments`", "The call with `{}`", "vLLM's Hermes parser",
           "vllm-project/vllm#11392", &changed<&arguments_missing>},
    OddWay{"tool-arguments-null-first", "`arguments` is null in the piece that begins a call", same_calls,
           "vLLM, DeepSeek through OpenRouter", "ogx-ai/ogx#5462", &changed<&arguments_null_first>},
    OddWay{"tool-arguments-encoded-twice", "`arguments` is JSON text within JSON text", same_calls, "small models",
           "quarkiverse/quarkus-langchain4j#2642", &changed<&arguments_encoded_twice>},
    OddWay{"tool-arguments-repeated", "At the end all arguments come once more", same_calls, "LiteLLM, OpenCodex",
           "BerriAI/litellm#20480", &changed_stream<&arguments_repeated>},
    OddWay{"tool-call-in-one-chunk", "The whole call and the finish reason share a chunk", same_calls,
           "Gemini, Mistral", "envoyproxy/ai-gateway#2399", &changed_stream<&call_in_one_chunk>},
    OddWay{"tool-calls-finish-with-stop", "Calls, and the finish reason `stop`", same_calls,
           "Gemini, LiteLLM with Ollama, vLLM", "googleapis/python-genai#2868", &changed<&calls_finish_with_stop>},
    OddWay{"function-call", "The call is in the old field `function_call`", same_calls, "old gateways",
           "can1357/oh-my-pi#1692", &changed<&function_call>},
    // Errors.
    OddWay{"come-back-tomorrow", "429 with `Retry-After: 86400`", "Limited, for a day", "daily allowances", "",
           &come_back_tomorrow},
    OddWay{"retry-after-a-date", "429 with a date in `Retry-After`", "Limited, until that date", "proxies",
           "Systemorph/MeshWeaver#505", &retry_after_a_date},
    OddWay{"retry-after-ms", "429 with `retry-after-ms`", "Limited, for so long", "Azure, OpenAI",
           "microsoft/kernel-memory#795", &retry_after_ms},
    OddWay{"context-size-in-other-words", "400 with `exceed_context_size_error`", "Too long a prompt", "llama.cpp",
           "lemonade-sdk/lemonade#2826", &context_size_in_other_words},
    OddWay{"error-at-the-top", "The error is the document, not in `error`", "Too long a prompt", "older vLLM, Mistral",
           "vllm-project/vllm#4667", &error_at_the_top},
    OddWay{"error-in-a-list", "The error is in a list", "Too long a prompt", "Gemini", "bytedance/deer-flow#1515",
           &error_in_a_list},
    OddWay{"error-as-text", "`error` is text", "An invalid request", "Ollama", "autohandai/code-cli#21",
           &error_as_text},
    OddWay{"error-as-detail", "422 with `detail`", "An invalid request", "Mistral, FastAPI", "Gitlawb/openclaude#739",
           &error_as_detail},
    OddWay{"error-with-200", "200 with an error in place of an answer", "That error: limited", "OpenRouter",
           "nodetool-ai/nodetool#5755", &error_with_200},
    OddWay{"error-in-base-resp", "200, `choices: null` and the error in `base_resp`", "An error", "MiniMax",
           "infiniflow/ragflow#17292", &error_in_base_resp},
    OddWay{"error-in-the-stream", "Some words, then a chunk with an error", "An error",
           "OpenRouter, DashScope, DeepSeek", "open-octo/octo-agent#910", &error_in_the_stream},
    OddWay{"error-as-event", "Some words, then `event: error`", "An error", "LM Studio", "zendev-sh/goai#110",
           &error_as_event},
    OddWay{"error-as-field", "An `error:` line in place of `data:`", "That error: too long a prompt",
           "llama.cpp until 2025", "ggml-org/llama.cpp#16109", &error_as_field},
    OddWay{"error-without-frame", "A stream that is only the JSON of an error", "That error: too long a prompt",
           "Lemonade", "lemonade-sdk/lemonade#2826", &error_without_frame},
    OddWay{"error-as-finish", "The finish reason is `error`, the chunk has one", "An error", "OpenRouter",
           "damianvtran/local-operator#223", &error_as_finish},
    OddWay{"error-in-the-choice", "The finish reason is `error`, the choice has one", "An error", "OpenRouter",
           "nodetool-ai/nodetool#5755", &error_in_the_choice},
    OddWay{"filtered-prompt", "400 with the code `content_filter`", "Filtered", "Azure", "microsoft/TinyTroupe#85",
           &filtered_prompt},
    OddWay{"tool-use-failed", "The model's call could not be read: 400, or an event", "An error", "Groq",
           "langchain4j/langchain4j#2585", &tool_use_failed},
    OddWay{"overloaded-529", "529 with `overloaded_error`", "Unavailable", "Anthropic",
           "UKGovernmentBEIS/inspect_ai#1885", &overloaded_529},
    OddWay{"quota-with-429", "429 with `insufficient_quota`", "The quota is used up", "OpenAI",
           "langchain-ai/langchainjs#1929", &quota_with_429},
    OddWay{"payment-required", "402, the balance is used up", "The quota is used up", "DeepSeek, OpenRouter",
           "continuedev/continue#10121", &payment_required},
    OddWay{"html-with-200", "A page of HTML with 200", "A protocol error", "a wrong address, portals",
           "neavo/LinguaGacha#137", &html_with_200},
    OddWay{"html-with-502", "A page of HTML with 502", "Unavailable", "nginx, Cloudflare", "langgenius/dify#20016",
           &html_with_502},
    OddWay{"empty-with-200", "200 without a body", "A protocol error", "DeepSeek under load",
           "deepseek-ai/DeepSeek-V3#407", &empty_with_200},
    OddWay{"no-choices", "200 with `choices: []`", "An error", "filters, gateways", "vercel/ai#20351", &no_choices},
};

}  // namespace

std::span<OddWay const> oddities() {
  return table;
}

OddWay const& find_oddity(std::string_view name) {
  auto const found = std::find_if(table.begin(), table.end(), [&](OddWay const& each) { return each.name == name; });
  if (found != table.end()) return *found;
  std::string names;
  for (auto const& each : table) names.append(names.empty() ? "" : ", ").append(each.name);
  throw std::invalid_argument(fmt::format("there is no oddity '{}'; there are: {}", name, names));
}

std::string oddities_as_markdown() {
  std::string text =
      "| name | the server | what a client must make of it | seen at | report |\n|---|---|---|---|---|\n";
  for (auto const& each : table) {
    auto const mark = each.source.find('#');
    auto const report = mark == std::string_view::npos
                            ? std::string("none found")
                            : fmt::format("[{}](https://github.com/{}/issues/{})", each.source,
                                          each.source.substr(0, mark), each.source.substr(mark + 1));
    text += fmt::format("| `{}` | {} | {} | {} | {} |\n", each.name, each.what, each.must, each.who, report);
  }
  return text;
}

}  // namespace omnibus::simulator
