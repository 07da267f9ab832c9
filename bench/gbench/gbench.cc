/* SPDX-License-Identifier: MIT
 *
 * The only C++ of the project: what gbench.h declares, over Google Benchmark's classes. A run crosses the pipe as one
 * line of fields that are separated by the unit separator (0x1f), counters last as name=value pairs; a map as another.
 * Some counters go to the file only: the points of a curve, and what lies behind a median; they are too many for a
 * console row. */
#include "gbench.h"

#include <benchmark/benchmark.h>

#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <unistd.h>
#include <vector>

extern "C" {
#include "measure.h"
}

namespace
{

using benchmark::BenchmarkReporter;
using Run = BenchmarkReporter::Run;

constexpr char separator = '\x1f';
constexpr size_t fixed_fields = 17, map_fields = 7;

int worker_fd = -1; /* a worker's side of the pipe */

std::string number(double value)
{
	char text[48];
	std::snprintf(text, sizeof(text), "%a", value);
	return text;
}

std::string clean(std::string text)
{
	for (char &c : text) {
		if (c == separator || c == '\n' || c == '\r')
			c = ' ';
	}
	return text;
}

void write_all(int fd, const std::string &text)
{
	for (size_t done = 0; done < text.size();) {
		ssize_t n = ::write(fd, text.data() + done, text.size() - done);
		if (n < 0 && errno != EINTR)
			std::_Exit(1); /* the reader is gone */
		done += n > 0 ? size_t(n) : 0;
	}
}

/* Worker: every run becomes a line; side 'D' is what the display would show, 'F' what the file would hold. */
class pipe_reporter : public BenchmarkReporter
{
      public:
	pipe_reporter(int fd, char side) : fd_(fd), side_(side)
	{
		SetErrorStream(&nowhere_);
		SetOutputStream(&nowhere_);
	}

	bool ReportContext(const Context &) override
	{
		return true;
	}

	void ReportRuns(const std::vector<Run> &runs) override
	{
		for (const Run &run : runs)
			send(run);
	}

      private:
	void send(const Run &run)
	{
		std::ostringstream line;
		line << "run" << separator << side_ << separator << run.run_name.function_name << separator
		     << run.family_index << separator << run.per_family_instance_index << separator << int(run.run_type)
		     << separator << run.aggregate_name << separator << int(run.aggregate_unit) << separator
		     << clean(run.report_label) << separator << int(run.error_occurred) << separator
		     << clean(run.error_message) << separator << run.iterations << separator << run.repetition_index
		     << separator << run.repetitions << separator << int(run.time_unit) << separator
		     << number(run.real_accumulated_time) << separator << number(run.cpu_accumulated_time);
		for (const auto &counter : run.counters)
			line << separator << counter.first << "=" << number(counter.second.value);
		line << "\n";
		write_all(fd_, line.str());
	}

	int fd_;
	char side_;
	std::ostringstream nowhere_;
};

std::vector<std::string> split(const char *line)
{
	std::vector<std::string> fields(1);
	for (; *line && *line != '\n'; line++) {
		if (*line == separator)
			fields.emplace_back();
		else
			fields.back() += *line;
	}
	return fields;
}

int64_t threads_of(const std::string &name)
{
	size_t at = name.find("/threads:");
	return at == std::string::npos ? 1 : std::atoll(name.c_str() + at + 9);
}

Run run_of(const std::vector<std::string> &fields, int64_t first_family)
{
	Run run;
	run.run_name.function_name = fields[2];
	run.family_index = first_family + std::atoll(fields[3].c_str());
	run.per_family_instance_index = std::atoll(fields[4].c_str());
	run.run_type = Run::RunType(std::atoi(fields[5].c_str()));
	run.aggregate_name = fields[6];
	run.aggregate_unit = benchmark::StatisticUnit(std::atoi(fields[7].c_str()));
	run.report_label = fields[8];
	run.error_occurred = std::atoi(fields[9].c_str()) != 0;
	run.error_message = fields[10];
	run.iterations = std::atoll(fields[11].c_str());
	run.repetition_index = std::atoll(fields[12].c_str());
	run.repetitions = std::atoll(fields[13].c_str());
	run.time_unit = benchmark::TimeUnit(std::atoi(fields[14].c_str()));
	run.real_accumulated_time = std::strtod(fields[15].c_str(), nullptr);
	run.cpu_accumulated_time = std::strtod(fields[16].c_str(), nullptr);
	run.threads = threads_of(fields[2]);
	run.statistics = nullptr;
	for (size_t i = fixed_fields; i < fields.size(); i++) {
		size_t equals = fields[i].find('=');
		if (equals != std::string::npos)
			run.counters[fields[i].substr(0, equals)] =
				benchmark::Counter(std::strtod(fields[i].c_str() + equals + 1, nullptr));
	}
	return run;
}

bool ends_with(const std::string &name, const char *suffix)
{
	size_t suffix_chars = std::strlen(suffix);
	return name.size() > suffix_chars && name.compare(name.size() - suffix_chars, suffix_chars, suffix) == 0;
}

/* docs/bench.md lists these names. */
bool file_only(const std::string &name)
{
	static const char *const suffixes[] = { "_low", "_high", "_first", "_samples", "_confidence" };
	for (const char *suffix : suffixes)
		if (ends_with(name, suffix))
			return true;
	return name == "noisy" || name.rfind("round_", 0) == 0 || name.find("_pass_") != std::string::npos;
}

/* The maps of a row, as they will stand in the file; a later repetition replaces an earlier one's. */
struct row_maps {
	std::string huge_frames, huge_per_cell;
	struct cells {
		std::string free_frames, free_huge;
	};
	std::map<long long, cells> rounds;
};

/* Google Benchmark's JSON with one more key at its end. */
class json_reporter : public benchmark::JSONReporter
{
      public:
	std::vector<std::pair<std::string, row_maps>> maps;

	void Finalize() override
	{
		std::ostream &out = GetOutputStream();
		out << "\n  ]";
		if (!maps.empty()) {
			out << ",\n  \"frag_maps\": [";
			for (const auto &row : maps)
				write(out, row.first, row.second, &row == &maps.front());
			out << "\n  ]";
		}
		out << "\n}\n";
	}

	row_maps *of_row(const std::string &name)
	{
		for (auto &row : maps) {
			if (row.first == name)
				return &row.second;
		}
		maps.push_back({ name, {} });
		return &maps.back().second;
	}

      private:
	static void write(std::ostream &out, const std::string &name, const row_maps &row, bool first)
	{
		const char *comma = "";
		out << (first ? "" : ",") << "\n    {\n      \"name\": \"" << name
		    << "\",\n      \"huge_frames\": " << row.huge_frames
		    << ",\n      \"huge_per_cell\": " << row.huge_per_cell << ",\n      \"rounds\": [";
		for (const auto &round : row.rounds) {
			out << comma << "\n        { \"round\": " << round.first << ", \"free_frames\": ["
			    << round.second.free_frames << "],\n          \"free_huge\": [" << round.second.free_huge
			    << "] }";
			comma = ",";
		}
		out << "\n      ]\n    }";
	}
};

struct sink {
	bench_gb_sink_config config = {};
	std::unique_ptr<BenchmarkReporter> display, file;
	json_reporter *json = nullptr; /* file, if it is one */
	std::ofstream out;
	int64_t first_family = 0, last_family = -1;

	void open_file()
	{
		std::string format = config.out_format ? config.out_format : "json";
		out.open(config.out_path);
		if (format == "json") {
			json = new json_reporter;
			file.reset(json);
		} else if (format == "console") {
			file.reset(new benchmark::ConsoleReporter(benchmark::ConsoleReporter::OO_Tabular));
		} else {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
			file.reset(new benchmark::CSVReporter); /* deprecated, and still what the flag promises */
#pragma GCC diagnostic pop
		}
		file->SetOutputStream(&out);
	}

	void tell(const Run &run) const
	{
		std::vector<bench_gb_counter_value> values;
		for (const auto &counter : run.counters)
			values.push_back({ counter.first.c_str(), counter.second.value });
		bench_gb_run_info info = { run.run_name.function_name.c_str(), run.aggregate_name.c_str(),
					   run.error_occurred ? run.error_message.c_str() : nullptr, values.data(),
					   values.size() };
		config.on_run(&info, config.context);
	}

	/* The CSV reporter aborts unless every run has the same counters: keep the usual ones, absent ones are nan. */
	static void make_uniform(Run *run)
	{
		static const char *const names[] = { "get_ns",    "put_ns",     "pair_ns", "cas_ns", "get_x_cas",
						     "put_x_cas", "pair_x_cas", "p50",     "p90",    "p99",
						     "p99.9",     "p99.99",     "max" };
		benchmark::UserCounters kept;
		for (const char *name : names) {
			auto it = run->counters.find(name);
			kept[name] = it == run->counters.end() ? benchmark::Counter(NAN) : it->second;
		}
		run->counters = kept;
	}

	static void report(BenchmarkReporter *reporter, Run run)
	{
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
		if (dynamic_cast<benchmark::CSVReporter *>(reporter))
			make_uniform(&run);
#pragma GCC diagnostic pop
		reporter->ReportRuns({ run });
	}

	void keep_map(const std::vector<std::string> &fields) const
	{
		row_maps *row = json ? json->of_row(fields[1]) : nullptr;

		if (!row)
			return;
		row->huge_frames = fields[2];
		row->huge_per_cell = fields[3];
		row->rounds[std::atoll(fields[4].c_str())] = { fields[5], fields[6] };
	}

	void show(Run run)
	{
		if (config.on_run)
			tell(run);
		for (auto it = run.counters.begin(); it != run.counters.end();)
			it = file_only(it->first) ? run.counters.erase(it) : std::next(it);
		if (display)
			report(display.get(), run);
	}
};

sink *the_sink; /* one a process: Google Benchmark's flags are global too */

/* Over repetitions, beside the mean and the median that Google Benchmark computes itself. */
measure_summary summary_of(const std::vector<double> &values)
{
	std::vector<double> sorted = values;
	return measure_summarise(sorted.data(), sorted.size());
}

double statistic_low(const std::vector<double> &values)
{
	return summary_of(values).low;
}

double statistic_high(const std::vector<double> &values)
{
	return summary_of(values).high;
}

double statistic_confidence(const std::vector<double> &values)
{
	return summary_of(values).confidence;
}

benchmark::State *state_of(bench_gb_state *state)
{
	return reinterpret_cast<benchmark::State *>(state);
}

} // namespace

extern "C" void bench_gb_initialize(int *argc, char **argv)
{
	benchmark::Initialize(argc, argv);
}

extern "C" void bench_gb_print_help(void)
{
	benchmark::PrintDefaultHelp();
}

extern "C" void bench_gb_register(const char *name, bool once, bench_gb_fn fn, void *context)
{
	auto *row = benchmark::RegisterBenchmark(name, [fn, context](benchmark::State &state) {
		fn(reinterpret_cast<bench_gb_state *>(&state), context);
	});
	row->UseManualTime();
	row->ComputeStatistics("low", statistic_low);
	row->ComputeStatistics("high", statistic_high);
	row->ComputeStatistics("confidence", statistic_confidence, benchmark::kPercentage);
	if (once)
		row->Iterations(1);
}

extern "C" bool bench_gb_keep_running(bench_gb_state *state, uint64_t n_ops)
{
	return state_of(state)->KeepRunningBatch(benchmark::IterationCount(n_ops));
}

extern "C" void bench_gb_batch_time(bench_gb_state *state, double seconds)
{
	state_of(state)->SetIterationTime(seconds);
}

extern "C" void bench_gb_pause(bench_gb_state *state)
{
	state_of(state)->PauseTiming();
}

extern "C" void bench_gb_resume(bench_gb_state *state)
{
	state_of(state)->ResumeTiming();
}

extern "C" void bench_gb_counter(bench_gb_state *state, const char *name, double value)
{
	state_of(state)->counters[name] = benchmark::Counter(value);
}

extern "C" void bench_gb_fail(bench_gb_state *state, const char *message)
{
	state_of(state)->SkipWithError(message);
}

extern "C" void bench_gb_run(int fd)
{
	worker_fd = fd;
	pipe_reporter display(fd, 'D'), file(fd, 'F');
	benchmark::RunSpecifiedBenchmarks(&display, &file, "all");
}

static void add_list(std::ostringstream &line, const uint16_t *values, size_t n_values)
{
	line << separator;
	for (size_t i = 0; i < n_values; i++)
		line << (i ? "," : "") << values[i];
}

extern "C" void bench_gb_send_map(const bench_gb_map *map)
{
	std::ostringstream line;

	if (worker_fd < 0)
		return; /* no report is made of this run */
	line << "map" << separator << map->row << separator << map->huge_frames << separator << map->huge_per_cell
	     << separator << map->round;
	add_list(line, map->free_frames, map->n_cells);
	add_list(line, map->free_huge, map->n_cells);
	line << "\n";
	write_all(worker_fd, line.str());
}

extern "C" void bench_gb_sink_context(const char *key, const char *value)
{
	benchmark::AddCustomContext(key, value);
}

extern "C" bool bench_gb_sink_open(const bench_gb_sink_config *config)
{
	BenchmarkReporter::Context context;

	context.name_field_width = config->name_width;
	the_sink = new sink;
	the_sink->config = *config;
	if (!config->quiet)
		the_sink->display.reset(benchmark::CreateDefaultDisplayReporter());
	if (config->out_path)
		the_sink->open_file();
	if (the_sink->display)
		the_sink->display->ReportContext(context);
	if (the_sink->file)
		the_sink->file->ReportContext(context);
	return !config->out_path || the_sink->out.good();
}

extern "C" bool bench_gb_sink_line(const char *line)
{
	std::vector<std::string> fields = split(line);

	if (fields.size() == map_fields && fields[0] == "map") {
		the_sink->keep_map(fields);
		return true;
	}
	if (fields.size() < fixed_fields || fields[0] != "run")
		return false;
	Run run = run_of(fields, the_sink->first_family);
	if (run.family_index > the_sink->last_family)
		the_sink->last_family = run.family_index;
	if (fields[1] == "D")
		the_sink->show(run);
	else if (the_sink->file)
		sink::report(the_sink->file.get(), run);
	if (the_sink->out.is_open())
		the_sink->out.flush();
	return true;
}

extern "C" void bench_gb_sink_next_worker(void)
{
	the_sink->first_family = the_sink->last_family + 1;
}

extern "C" bool bench_gb_sink_close(void)
{
	bool ok = true;

	if (the_sink->display)
		the_sink->display->Finalize();
	if (the_sink->file) {
		the_sink->file->Finalize();
		the_sink->out.close();
		ok = !the_sink->out.fail();
	}
	std::fflush(stdout);
	delete the_sink;
	the_sink = nullptr;
	return ok;
}
