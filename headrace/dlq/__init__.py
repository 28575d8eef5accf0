"""Dead letters after the fact: read them, group them, send them back.

One dead-letter topic is read as an ``Index`` of letters, each standing for one record that was set
aside however often it was copied; ``groups`` puts letters of one cause together; ``redrive`` sends
chosen ones back to where they came from, once.
"""
