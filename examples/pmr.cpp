/* SPDX-License-Identifier: MIT
 *
 * Frames as a C++17 memory resource: large blocks come straight from the allocator as runs of frames; a standard pool
 * on top serves small objects. Several threads may use one frames_resource at once. */
#include <llfree/arena.h>

#include <cstdio>
#include <map>
#include <memory_resource>
#include <new>
#include <numeric>
#include <string>
#include <vector>

class frames_resource : public std::pmr::memory_resource
{
      public:
	explicit frames_resource(std::uint64_t memory_bytes)
	{
		llfree_arena_config config{};
		config.memory_bytes = memory_bytes;
		if (llfree_arena_create(&arena_, &config) != LLFREE_OK)
			throw std::bad_alloc();
	}
	~frames_resource() override
	{
		llfree_arena_destroy(&arena_);
	}
	frames_resource(const frames_resource &) = delete;
	frames_resource &operator=(const frames_resource &) = delete;

	std::uint64_t frames_in_use() const
	{
		llfree_stats stats;
		llfree_stats_exact(&arena_.allocator, &stats);
		return stats.frames - stats.free_frames;
	}

      private:
	/* The smallest run that holds the bytes; a run is aligned to its length, so this covers the alignment too. */
	static unsigned order_of(std::size_t bytes, std::size_t alignment)
	{
		std::size_t wanted = bytes > alignment ? bytes : alignment;
		unsigned order = 0;
		while (order <= LLFREE_MAX_ORDER && (std::size_t{ LLFREE_FRAME_BYTES } << order) < wanted)
			order++;
		return order;
	}
	static llfree_request request(unsigned order)
	{
		llfree_request request{};
		request.cpu = llfree_current_cpu();
		request.order = static_cast<std::uint8_t>(order);
		request.class_idx = order >= LLFREE_HUGE_ORDER ? LLFREE_CLASS_HUGE : LLFREE_CLASS_MOVABLE;
		return request;
	}
	void *do_allocate(std::size_t bytes, std::size_t alignment) override
	{
		unsigned order = order_of(bytes, alignment);
		std::uint64_t frame;
		/* memory is 2 MiB aligned: a larger alignment can't be promised */
		if (alignment > LLFREE_HUGE_BYTES || order > LLFREE_MAX_ORDER ||
		    llfree_get(&arena_.allocator, request(order), &frame) != LLFREE_OK)
			throw std::bad_alloc();
		return llfree_arena_address(&arena_, frame);
	}
	void do_deallocate(void *block, std::size_t bytes, std::size_t alignment) override
	{
		llfree_err err = llfree_put(&arena_.allocator, request(order_of(bytes, alignment)),
					    llfree_arena_frame(&arena_, block));
		if (err != LLFREE_OK)
			std::fprintf(stderr, "frames_resource: %s\n", llfree_err_text(err));
	}
	bool do_is_equal(const std::pmr::memory_resource &other) const noexcept override
	{
		return this == &other;
	}

	llfree_arena arena_;
};

int main()
{
	frames_resource frames(std::uint64_t{ 64 } << 20);
	std::uint64_t sum = 0, in_use = 0;
	{
		std::pmr::synchronized_pool_resource pool(&frames);
		std::pmr::vector<std::uint32_t> numbers(1u << 20, 1u, &frames); /* 4 MiB: a run of two huge frames */
		std::pmr::map<int, std::pmr::string> names(&pool);
		for (int i = 0; i < 1000; i++)
			names.emplace(i, "a name that is too long to be kept inside the string");
		sum = std::accumulate(numbers.begin(), numbers.end(), std::uint64_t{ 0 }) + names.size();
		in_use = frames.frames_in_use();
	}
	std::printf("sum %llu, %llu frames in use, %llu afterwards\n", static_cast<unsigned long long>(sum),
		    static_cast<unsigned long long>(in_use), static_cast<unsigned long long>(frames.frames_in_use()));
	return sum != (1u << 20) + 1000 || in_use <= 1024 || frames.frames_in_use() != 0;
}
