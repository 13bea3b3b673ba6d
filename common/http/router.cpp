#include "http/router.hpp"

#include "http/form.hpp"

#include <algorithm>
#include <stdexcept>

namespace omnibus::http {
namespace {

std::vector<std::string_view> split(std::string_view path) {
  std::vector<std::string_view> segments;
  while (!path.empty()) {
    path.remove_prefix(1);  // the slash
    auto const end = std::min(path.find('/'), path.size());
    segments.push_back(path.substr(0, end));
    path.remove_prefix(end);
  }
  return segments;
}

}  // namespace

void Router::add(std::string method, std::string_view pattern, Handler handler) {
  insert(Route{std::move(method), {}, {}, std::move(handler), {}}, pattern);
}

void Router::add_stream(std::string method, std::string_view pattern, StreamHandler handler) {
  insert(Route{std::move(method), {}, {}, {}, std::move(handler)}, pattern);
}

void Router::insert(Route route, std::string_view pattern) {
  if (pattern.empty() || pattern.front() != '/') {
    throw std::invalid_argument("a route begins with a slash: " + std::string(pattern));
  }
  route.pattern = pattern;
  for (auto const segment : split(pattern)) {
    auto const parameter = segment.size() > 2 && segment.front() == '{' && segment.back() == '}';
    auto const text = parameter ? segment.substr(1, segment.size() - 2) : segment;
    route.segments.push_back({std::string(text), parameter});
  }
  for (auto const& other : routes_) {
    if (other.method == route.method && other.pattern == route.pattern) {
      throw std::invalid_argument("a route is registered twice: " + route.method + " " + route.pattern);
    }
  }
  routes_.push_back(std::move(route));
}

Router::Match Router::match(Request& request) const {
  Match match;
  auto const path = std::string_view(request.target).substr(0, request.target.find('?'));
  if (path.empty() || path.front() != '/') return match;
  auto const segments = split(path);
  auto const fits = [&](Route const& route) {
    return std::equal(segments.begin(), segments.end(), route.segments.begin(), route.segments.end(),
                      [](std::string_view given, Segment const& wanted) {
                        return wanted.parameter ? !given.empty() : given == wanted.text;
                      });
  };
  auto const literals = [](Route const& route) {
    return std::count_if(route.segments.begin(), route.segments.end(), [](Segment const& s) { return !s.parameter; });
  };
  Route const* best = nullptr;
  std::vector<std::string_view> methods;
  for (auto const& route : routes_) {
    if (!fits(route)) continue;
    methods.push_back(route.method);
    auto const served = route.method == request.method || (route.method == "GET" && request.method == "HEAD");
    if (served && (best == nullptr || literals(route) > literals(*best))) best = &route;
  }
  if (best == nullptr) {
    if (std::find(methods.begin(), methods.end(), "GET") != methods.end()) methods.push_back("HEAD");
    std::sort(methods.begin(), methods.end());
    methods.erase(std::unique(methods.begin(), methods.end()), methods.end());
    if (otherwise_) match.handler = &otherwise_;
    for (auto const method : methods) match.allow += (match.allow.empty() ? "" : ", ") + std::string(method);
    return match;
  }
  request.parameters.clear();
  for (std::size_t i = 0; i < segments.size(); ++i) {
    if (!best->segments[i].parameter) continue;
    auto value = percent_decode(segments[i]);
    request.parameters.emplace_back(best->segments[i].text, value ? std::move(*value) : std::string());
  }
  match.pattern = best->pattern;
  if (best->handler) match.handler = &best->handler;
  if (best->stream) match.stream = &best->stream;
  return match;
}

}  // namespace omnibus::http
