/* SPDX-License-Identifier: MIT
 *
 * A user of the installed component zones. Compiles as C11, C17 and C++17. */
#include <llfree/zones.h>

#include <stdio.h>
#include <string.h>

int main(void)
{
	llfree_zones *zones;
	llfree_zones_config machine;
	llfree_zone_config zone;
	llfree_request request;
	uint32_t zone_id = 0;
	uint64_t frame = 0, owned = 1;

	memset(&machine, 0, sizeof(machine));
	memset(&zone, 0, sizeof(zone));
	memset(&request, 0, sizeof(request));
	request.class_idx = LLFREE_CLASS_MOVABLE;
	request.cpu = llfree_current_cpu();
	zone.arena.memory_bytes = UINT64_C(64) << 20;
	if (llfree_zones_create(&zones, &machine))
		return 1;
	zone.node = llfree_zones_node_of_cpu(zones, request.cpu);
	if (llfree_zones_add(zones, &zone, &zone_id) || llfree_zones_get(zones, request, &frame))
		return 2;
	memset(llfree_zones_address(zones, frame), 1, LLFREE_FRAME_BYTES);
	if (llfree_zones_remove(zones, zone_id, NULL, NULL, &owned) != LLFREE_ERR_STATE || owned != 1)
		return 3;
	if (llfree_zones_put(zones, request, frame) || llfree_zones_remove(zones, zone_id, NULL, NULL, &owned))
		return 4;
	llfree_zones_destroy(zones);
	printf("llfree %s, zones: ok\n", llfree_version());
	return 0;
}
