-- Machines were made with a weight of the kernel's choice, which on cgroup version 2 is not the engine's: each is told its
-- limits once more, so that all weigh the same.
UPDATE spaces SET limits = 'due';
