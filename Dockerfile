# One image for all of Fanfare; the command chooses the process:
#   node --max-semi-space-size=16 --heap-growing-percent=50 dist/apps/api/src/main.js (default)
#   node --max-semi-space-size=16 --heap-growing-percent=200 dist/apps/worker/src/main.js · node dist/apps/simulator/src/main.js · node scripts/migrate.js

FROM node:24-slim AS build
WORKDIR /fanfare
COPY package.json package-lock.json .npmrc ./
RUN npm ci --prefer-offline --no-progress
COPY . .
RUN npm run setup
# Optional are PostgreSQL and Node from npm: the image has its own Node, PostgreSQL another container.
RUN npm prune --omit=dev --omit=optional --no-progress && rm -rf node_modules/.bin

FROM node:24-slim
ENV NODE_ENV=production
WORKDIR /fanfare
COPY --from=build /fanfare/package.json ./
COPY --from=build /fanfare/node_modules ./node_modules
COPY --from=build /fanfare/prisma/migrations ./prisma/migrations
COPY --from=build /fanfare/scripts/migrate.js /fanfare/scripts/sentence.js ./scripts/
COPY --from=build /fanfare/dist ./dist
# The simulator keeps its certificate authority here when it is run from this image.
RUN mkdir -p /fanfare/.data/simulator && chown -R node:node /fanfare/.data
USER node
EXPOSE 8080 9090
CMD ["node", "--max-semi-space-size=16", "--heap-growing-percent=50", "dist/apps/api/src/main.js"]
