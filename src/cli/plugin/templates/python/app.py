"""Where muster and the matcher meet. There is nothing to change here: the matcher is plugin.py."""

import muster_matcher
import plugin

Plugin = muster_matcher.component(plugin)
